# SPDX-License-Identifier: Apache-2.0
"""Attention by an online softmax over tiles of keys, as flash kernels compute it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..problem import Problem
from ..requests import Request
from ..tensors import Tensors
from .numpy_visible import PerHead, scores, values

TILE = 64


class Flash(PerHead):
    name = "numpy-flash"
    version = f"{PerHead.version}, tiles of {TILE} keys"

    def head(self, problem: Problem, tensors: Tensors, r: Request, head: int) -> tuple[Any, Any]:
        sink = np.float32(-np.inf if tensors.sinks is None else tensors.sinks[head])
        top = np.full((r.q_len, 1), sink, np.float32)
        total = np.full((r.q_len, 1), 0 if sink == -np.inf else 1, np.float32)
        rows = np.zeros((r.q_len, problem.head_dim_v), np.float32)
        for first in range(0, r.seq_len, TILE):
            last = min(first + TILE, r.seq_len)
            score = scores(problem, tensors, r, head, first, last)
            higher = np.maximum(top, score.max(axis=1, keepdims=True))
            base = np.where(higher == -np.inf, 0, higher).astype(np.float32)
            shrink, weight = np.exp(top - base), np.exp(score - base)
            value = values(r, score, head // problem.group, first, last)
            total = total * shrink + weight.sum(axis=1, keepdims=True)
            rows = rows * shrink + weight @ value
            top = higher
        base = np.where(top == -np.inf, 0, top)
        return np.where(total > 0, rows / total, 0), (base + np.log(total))[:, 0]
