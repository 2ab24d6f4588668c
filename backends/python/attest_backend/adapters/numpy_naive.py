# SPDX-License-Identifier: Apache-2.0
"""Attention as it is written in a textbook: all scores of a head at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..problem import Problem
from ..requests import Request
from ..tensors import Tensors
from .numpy_visible import PerHead, scores, values


class Naive(PerHead):
    # Sums of a dot product run in the order of the BLAS that NumPy was built with.
    name = "numpy-naive"

    def head(self, problem: Problem, tensors: Tensors, r: Request, head: int) -> tuple[Any, Any]:
        score = scores(problem, tensors, r, head, 0, r.seq_len)
        sink = -np.inf if tensors.sinks is None else tensors.sinks[head]
        top = np.maximum(score.max(axis=1, keepdims=True), sink)
        top = np.where(top == -np.inf, 0, top).astype(np.float32)
        weight = np.exp(score - top)
        total = weight.sum(axis=1, keepdims=True) + np.exp(np.float32(sink) - top)
        value = values(r, score, head // problem.group, 0, r.seq_len)
        return np.where(total > 0, weight @ value / total, 0), (top + np.log(total))[:, 0]
