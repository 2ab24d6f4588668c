# SPDX-License-Identifier: Apache-2.0
"""Attention by an online softmax over tiles of keys, as flash kernels compute it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..claims import Claims
from ..problem import Problem
from ..requests import Request
from ..tensors import Tensors
from . import numpy_visible
from .per_request import PerRequest

TILE = 64


class Flash(PerRequest):
    def claims(self) -> Claims:
        return Claims(
            name="numpy-flash",
            features=numpy_visible.FEATURES,
            version=f"numpy {np.__version__}, tiles of {TILE} keys",
            vendor="attest",
            dtypes=["float32", "float16", "bfloat16"],
            cache_dtypes=["float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"],
            head_dims=[(1, 576)],
        )

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        out = np.zeros((r.q_len, problem.num_q_heads, problem.head_dim_v), np.float32)
        lse = np.full((r.q_len, problem.num_q_heads), -np.inf, np.float32)
        for head in range(problem.num_q_heads):
            rows, row_lse = self._head(problem, tensors, r, head)
            out[:, head], lse[:, head] = rows, row_lse
        return out.astype(tensors.out.dtype), lse

    def _head(self, problem: Problem, tensors: Tensors, r: Request, head: int) -> tuple[Any, Any]:
        sink = np.float32(-np.inf if tensors.sinks is None else tensors.sinks[head])
        top = np.full((r.q_len, 1), sink, np.float32)
        total = np.full((r.q_len, 1), 0 if sink == -np.inf else 1, np.float32)
        rows = np.zeros((r.q_len, problem.head_dim_v), np.float32)
        for first in range(0, r.seq_len, TILE):
            last = min(first + TILE, r.seq_len)
            score = numpy_visible.scores(problem, tensors, r, head, first, last)
            higher = np.maximum(top, score.max(axis=1, keepdims=True))
            base = np.where(higher == -np.inf, 0, higher).astype(np.float32)
            shrink, weight = np.exp(top - base), np.exp(score - base)
            value = numpy_visible.values(r, score, head // problem.group, first, last)
            total = total * shrink + weight.sum(axis=1, keepdims=True)
            rows = rows * shrink + weight @ value
            top = higher
        with np.errstate(divide="ignore", invalid="ignore"):
            base = np.where(top == -np.inf, 0, top)
            return np.where(total > 0, rows / total, 0), (base + np.log(total))[:, 0]
