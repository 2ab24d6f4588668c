# SPDX-License-Identifier: Apache-2.0
"""FlashInfer: BatchPrefillWithPagedKVCacheWrapper, pages and lengths as it wants them.

NOT RUN HERE: written against the interface that FlashInfer documents. It knows a left window and no
right one, and returns the LSE to the base 2; the wrapper's own argument converts nothing, so the LSE
is not claimed.
"""

from __future__ import annotations

from typing import Any

import flashinfer
import torch

from ..claims import Claims
from ..problem import Problem
from ..tensors import Tensors
from .paged_gpu import PagedGpu, on_device

_WORKSPACE_BYTES = 256 << 20


class FlashInfer(PagedGpu):
    def claims(self) -> Claims:
        return Claims(
            name="flashinfer",
            version=f"flashinfer {flashinfer.__version__}; not run by attest's authors",
            vendor="FlashInfer",
            device_name=self.device_name,
            features=["decoder-causal", "decoder-non-causal", "window-causal", "softcap"],
            dtypes=["bfloat16"],
            head_dims=[64, 128, 256],
            group_sizes=[1, 2, 4, 8],
            block_sizes=[(1, 64)],
        )

    def forward(self, problem: Problem, tensors: Tensors) -> Any:
        query, key, value, starts, lengths, table = on_device(
            tensors, "query", "key_cache", "value_cache", "query_start_loc", "seq_lens",
            "block_table",
        )  # fmt: skip
        size = problem.block_size
        counts = (lengths + size - 1) // size
        indptr = torch.zeros_like(starts)
        indptr[1:] = counts.cumsum(0)
        indices = torch.cat([row[:count] for row, count in zip(table, counts.tolist())])
        last = torch.where(lengths > 0, (lengths - 1) % size + 1, lengths)
        workspace = torch.empty(_WORKSPACE_BYTES, dtype=torch.uint8, device="cuda")
        wrapper = flashinfer.BatchPrefillWithPagedKVCacheWrapper(workspace, "NHD")
        wrapper.plan(
            starts, indptr, indices, last, problem.num_q_heads, problem.num_kv_heads,
            problem.head_dim_qk, size, causal=problem.is_causal, sm_scale=problem.scale,
            window_left=problem.window_left - 1, logits_soft_cap=problem.softcap or None,
            q_data_type=query.dtype, kv_data_type=key.dtype,
        )  # fmt: skip
        return wrapper.run(query[: problem.num_actual_tokens], (key, value))
