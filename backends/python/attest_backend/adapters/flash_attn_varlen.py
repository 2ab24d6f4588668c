# SPDX-License-Identifier: Apache-2.0
"""flash-attn (Dao-AILab): flash_attn_varlen_func with a block table, bottom-right causal.

NOT RUN HERE: written against the interface that flash-attn 2.7 documents.
"""

from __future__ import annotations

from typing import Any

import flash_attn
from flash_attn import flash_attn_varlen_func

from ..claims import Claims
from ..problem import Problem
from ..tensors import Tensors
from .paged_gpu import PagedGpu, on_device


class FlashAttn(PagedGpu):
    def claims(self) -> Claims:
        return Claims(
            name="flash-attn",
            version=f"flash-attn {flash_attn.__version__}; not run by attest's authors",
            vendor="Dao-AILab",
            device_name=self.device_name,
            features=[
                "decoder-causal", "decoder-non-causal", "encoder-decoder", "window-causal",
                "window-symmetric", "window-asymmetric", "softcap", "alibi", "lse",
            ],
            query_dtypes=["bfloat16"], cache_dtypes=["bfloat16"], output_dtypes=["bfloat16"],
            head_dims=[(8, 256, 8)],
            block_sizes=[(256, 1024, 256)],
        )  # fmt: skip

    def forward(self, problem: Problem, tensors: Tensors) -> Any:
        query, key, value, starts, lengths, table, slopes = on_device(
            tensors, "query", "key_cache", "value_cache", "query_start_loc", "seq_lens",
            "block_table", "alibi_slopes",
        )  # fmt: skip
        # Inclusive distances, -1 for none; ours count keys, 0 for none.
        window = (problem.window_left - 1, problem.window_right - 1)
        key_starts = starts.new_zeros(starts.shape)
        key_starts[1:] = lengths.cumsum(0)
        out, lse, _ = flash_attn_varlen_func(
            query[: problem.num_actual_tokens], key, value, starts, key_starts,
            problem.max_query_len, problem.max_seq_len, softmax_scale=problem.scale,
            causal=problem.is_causal, window_size=window, softcap=problem.softcap,
            alibi_slopes=slopes, block_table=table, return_attn_probs=True,
        )  # fmt: skip
        return (out, lse.transpose(0, 1)) if problem.wants_lse else out
