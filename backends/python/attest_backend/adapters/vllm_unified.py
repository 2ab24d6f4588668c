# SPDX-License-Identifier: Apache-2.0
"""vLLM's Triton backend: unified_attention, which reads vLLM's own cache layout and metadata.

NOT RUN HERE: written against vllm.attention.ops.triton_unified_attention. It is causal only.
"""

from __future__ import annotations

from typing import Any

import torch
import vllm
from vllm.attention.ops.triton_unified_attention import unified_attention

from ..claims import Claims
from ..problem import Problem
from ..tensors import Tensors
from .paged_gpu import PagedGpu, on_device


class UnifiedAttention(PagedGpu):
    def claims(self) -> Claims:
        return Claims(
            name="vllm-triton-unified",
            version=f"vllm {vllm.__version__}; not run by attest's authors",
            vendor="vLLM",
            device_name=self.device_name,
            features=["decoder-causal", "window-causal", "softcap", "alibi", "sinks"],
            dtypes=["bfloat16"],
            head_dims=[(16, 256, 16)],
            block_sizes=[(16, 128, 16)],
        )

    def forward(self, problem: Problem, tensors: Tensors) -> Any:
        query, key, value, starts, lengths, table, slopes, sinks = on_device(
            tensors, "query", "key_cache", "value_cache", "query_start_loc", "seq_lens",
            "block_table", "alibi_slopes", "sinks",
        )  # fmt: skip
        out = torch.empty(query.shape[0], problem.num_q_heads, problem.head_dim_v,
                          dtype=query.dtype, device="cuda")  # fmt: skip
        unified_attention(
            q=query, k=key, v=value, out=out, cu_seqlens_q=starts, seqused_k=lengths,
            max_seqlen_q=problem.max_query_len, max_seqlen_k=problem.max_seq_len,
            softmax_scale=problem.scale, causal=True, alibi_slopes=slopes,
            window_size=(problem.window_left - 1, 0 if problem.window_left else -1),
            block_table=table, softcap=problem.softcap, q_descale=None, k_descale=None,
            v_descale=None, sinks=sinks,
        )  # fmt: skip
        return out
