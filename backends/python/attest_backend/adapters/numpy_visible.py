# SPDX-License-Identifier: Apache-2.0
"""What the NumPy attentions share. There is no library below them: every rule is computed here."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..claims import Claims
from ..problem import Problem
from ..requests import Request
from ..tensors import Tensors
from .per_request import PerRequest, masks_of

FEATURES = (
    "decoder-causal", "decoder-non-causal", "per-request-causality", "encoder-only",
    "encoder-decoder", "window-causal", "window-symmetric", "window-asymmetric", "softcap", "alibi",
    "sinks", "boolean-mask", "additive-mask", "local-blocks", "local-lookback", "lse",
    "kv-strides", "token-strides", "unequal-head-dims", "page-aliasing", "deterministic",
)  # fmt: skip


def hidden(problem: Problem, r: Request, first: int, last: int) -> Any:
    """[q_len, last - first]: which of the keys first to last a row does not see."""
    distance = (r.context_len + np.arange(r.q_len))[:, None] - np.arange(first, last)
    wrong = np.zeros(distance.shape, bool)
    if r.causal:
        wrong |= distance < 0
    if problem.window_left:
        wrong |= distance >= problem.window_left
    if problem.window_right:
        wrong |= -distance >= problem.window_right
    if problem.local_block_size:
        size = problem.local_block_size
        rows = (r.context_len + np.arange(r.q_len))[:, None] // size
        wrong |= rows - np.arange(first, last) // size > problem.local_block_lookback
    return wrong


def scores(
    problem: Problem, tensors: Tensors, r: Request, head: int, first: int, last: int
) -> Any:
    """float32 [q_len, last - first] of one query head; minus infinity where a key is not seen."""
    key = r.key[first:last, head // problem.group].astype(np.float32)
    score = np.float32(problem.scale) * (r.query[:, head].astype(np.float32) @ key.T)
    if problem.softcap:
        cap = np.float32(problem.softcap)
        score = cap * np.tanh(score / cap)
    if tensors.alibi_slopes is not None:
        rows = (r.context_len + np.arange(r.q_len))[:, None]
        score -= tensors.alibi_slopes[head] * np.abs(rows - np.arange(first, last)).astype(np.float32)
    mask = masks_of(problem, tensors, r)
    if mask is not None and mask.dtype != bool:
        score += mask[head, :, first:last].astype(np.float32)
    elif mask is not None:
        score[~mask[head, :, first:last]] = -np.inf
    score[hidden(problem, r, first, last)] = -np.inf
    return score


def values(r: Request, score: Any, kv_head: int, first: int, last: int) -> Any:
    """float32 [last - first, head_dim_v]; 0 where no row sees the key, whose slot may hold NaN."""
    value = r.value[first:last, kv_head].astype(np.float32)
    value[(score == -np.inf).all(axis=0)] = 0
    return value


class PerHead(PerRequest):
    """One query head at a time, in float32."""

    name: str
    version = f"numpy {np.__version__}"

    def claims(self) -> Claims:
        return Claims(
            name=self.name,
            features=FEATURES,
            version=self.version,
            vendor="attest",
            dtypes=["float32", "float16", "bfloat16"],
            cache_dtypes=["float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"],
            head_dims=[(1, 576)],
        )

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        out = np.zeros((r.q_len, problem.num_q_heads, problem.head_dim_v), np.float32)
        lse = np.full((r.q_len, problem.num_q_heads), -np.inf, np.float32)
        for head in range(problem.num_q_heads):
            with np.errstate(divide="ignore", invalid="ignore"):
                out[:, head], lse[:, head] = self.head(problem, tensors, r, head)
        return out.astype(tensors.out.dtype), lse

    def head(self, problem: Problem, tensors: Tensors, r: Request, head: int) -> tuple[Any, Any]:
        """[q_len, head_dim_v] and [q_len]; a row that sees nothing is 0 and minus infinity."""
        raise NotImplementedError
