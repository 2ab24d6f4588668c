# SPDX-License-Identifier: Apache-2.0
"""Attention as it is written in a textbook: all scores of a head at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..claims import Claims
from ..problem import Problem
from ..requests import Request
from ..tensors import Tensors
from . import numpy_visible
from .per_request import PerRequest


class Naive(PerRequest):
    def claims(self) -> Claims:
        return Claims(
            name="numpy-naive",
            features=numpy_visible.FEATURES,
            version=f"numpy {np.__version__}",
            vendor="attest",
            dtypes=["float32", "float16", "bfloat16"],
            cache_dtypes=["float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"],
            # Sums of a dot product run in the order of the BLAS that NumPy was built with.
            head_dims=[(1, 576)],
        )

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        out = np.zeros((r.q_len, problem.num_q_heads, problem.head_dim_v), np.float32)
        lse = np.full((r.q_len, problem.num_q_heads), -np.inf, np.float32)
        for head in range(problem.num_q_heads):
            score = numpy_visible.scores(problem, tensors, r, head, 0, r.seq_len)
            sink = -np.inf if tensors.sinks is None else tensors.sinks[head]
            top = np.maximum(score.max(axis=1, keepdims=True), sink)
            top = np.where(top == -np.inf, 0, top).astype(np.float32)
            weight = np.exp(score - top)
            total = weight.sum(axis=1, keepdims=True) + np.exp(np.float32(sink) - top)
            value = numpy_visible.values(r, score, head // problem.group, 0, r.seq_len)
            with np.errstate(divide="ignore", invalid="ignore"):
                out[:, head] = np.where(total > 0, weight @ value / total, 0)
                lse[:, head] = (top + np.log(total))[:, 0]
        return out.astype(tensors.out.dtype), lse
