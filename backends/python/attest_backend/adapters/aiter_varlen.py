# SPDX-License-Identifier: Apache-2.0
"""AITER (AMD ROCm): flash_attn_varlen_func on packed keys.

NOT RUN HERE: written against the interface that ROCm/aiter documents. Encoder-only attention is what
its packed form says without gathering pages.
"""

from __future__ import annotations

from typing import Any

import aiter

from ..claims import Claims
from ..problem import Problem
from ..tensors import Tensors
from .paged_gpu import PagedGpu, on_device


class Aiter(PagedGpu):
    def claims(self) -> Claims:
        return Claims(
            name="aiter",
            version=f"aiter {getattr(aiter, '__version__', '')}; not run by attest's authors",
            vendor="AMD",
            device_name=self.device_name,
            features=["encoder-only", "window-symmetric", "lse"],
            dtypes=["bfloat16"],
            head_dims=[64, 128],
        )

    def forward(self, problem: Problem, tensors: Tensors) -> Any:
        query, key, value, starts = on_device(tensors, "query", "key", "value", "query_start_loc")
        window = (problem.window_left - 1, problem.window_right - 1)
        out, lse = aiter.flash_attn_varlen_func(
            query, key, value, starts, starts, problem.max_query_len, problem.max_query_len,
            softmax_scale=problem.scale, causal=False, window_size=window, return_lse=True,
        )[:2]  # fmt: skip
        return (out, lse.transpose(0, 1)) if problem.wants_lse else out
