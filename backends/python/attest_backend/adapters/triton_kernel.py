# SPDX-License-Identifier: Apache-2.0
"""A flash kernel in Triton, run by Triton's interpreter on the CPU (TRITON_INTERPRET=1).

It shows that a Triton kernel can be held against the spec without a GPU; it is no library's kernel.
"""

from __future__ import annotations

import os

os.environ.setdefault("TRITON_INTERPRET", "1")

from collections.abc import Mapping  # noqa: E402
from typing import Any  # noqa: E402

import torch  # noqa: E402
import triton  # noqa: E402
import triton.language as tl  # noqa: E402

from ..claims import Claims  # noqa: E402
from ..problem import Problem  # noqa: E402
from ..requests import Request  # noqa: E402
from ..tensors import Tensors  # noqa: E402
from .per_request import EMULATED, PerRequest  # noqa: E402

ROWS, KEYS = 16, 32


@triton.jit
def _attend(
    query, key, value, out, lse, q_len, seq_len, heads, group, dim, dim_v, scale,
    CAUSAL: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr, DIM: tl.constexpr,
    DIM_V: tl.constexpr,
):  # fmt: skip
    head = tl.program_id(1)
    kv_heads = heads // group
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column, column_v = tl.arange(0, DIM), tl.arange(0, DIM_V)
    live = row < q_len
    position = seq_len - q_len + row
    q = tl.load(
        query + (row[:, None] * heads + head) * dim + column[None, :],
        mask=live[:, None] & (column[None, :] < dim),
        other=0.0,
    )
    top = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    rows = tl.zeros([ROWS, DIM_V], tl.float32)
    for first in range(0, seq_len, KEYS):
        k = first + tl.arange(0, KEYS)
        there = k < seq_len
        at = k * kv_heads + head // group
        keys = tl.load(
            key + at[:, None] * dim + column[None, :],
            mask=there[:, None] & (column[None, :] < dim),
            other=0.0,
        )
        score = tl.sum(q[:, None, :] * keys[None, :, :], 2) * scale
        seen = there[None, :] & live[:, None]
        if CAUSAL:
            seen = seen & (k[None, :] <= position[:, None])
        score = tl.where(seen, score, float("-inf"))
        higher = tl.maximum(top, tl.max(score, 1))
        base = tl.where(higher == float("-inf"), 0.0, higher)
        shrink = tl.exp(top - base)
        weight = tl.exp(score - base[:, None])
        values = tl.load(
            value + at[:, None] * dim_v + column_v[None, :],
            mask=there[:, None] & (column_v[None, :] < dim_v),
            other=0.0,
        )
        rows = rows * shrink[:, None] + tl.sum(weight[:, :, None] * values[None, :, :], 1)
        total = total * shrink + tl.sum(weight, 1)
        top = higher
    base = tl.where(top == float("-inf"), 0.0, top)
    some = total > 0
    rows = tl.where(some[:, None], rows / tl.where(some, total, 1.0)[:, None], 0.0)
    tl.store(
        out + (row[:, None] * heads + head) * dim_v + column_v[None, :],
        rows,
        mask=live[:, None] & (column_v[None, :] < dim_v),
    )
    logarithm = tl.where(some, base + tl.log(tl.where(some, total, 1.0)), float("-inf"))
    tl.store(lse + row * heads + head, logarithm, mask=live)


class Interpreted(PerRequest):
    arrays = "torch"
    library = torch

    def open(self, options: Mapping[str, str]) -> None:
        torch.set_num_threads(int(options.get("threads", "1")))

    def claims(self) -> Claims:
        return Claims(
            name="triton-interpreted",
            version=f"triton {triton.__version__}, interpreter; {EMULATED}",
            vendor="attest",
            features=[
                "decoder-causal", "decoder-non-causal", "encoder-only", "encoder-decoder", "lse",
                "unequal-head-dims", "kv-strides", "token-strides", "page-aliasing", "deterministic",
            ],
            dtypes=["float32"],
            head_dims=[(1, 256)],
        )  # fmt: skip

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        heads, dim, dim_v = problem.num_q_heads, problem.head_dim_qk, problem.head_dim_v
        out = torch.empty(r.q_len, heads, dim_v)
        lse = torch.empty(r.q_len, heads)
        _attend[(triton.cdiv(r.q_len, ROWS), heads)](
            r.query.contiguous(), r.key.contiguous(), r.value.contiguous(), out, lse, r.q_len,
            r.seq_len, heads, problem.group, dim, dim_v, problem.scale, r.causal, ROWS, KEYS,
            triton.next_power_of_2(dim), triton.next_power_of_2(dim_v),
        )  # fmt: skip
        return out, lse
