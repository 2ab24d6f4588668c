# SPDX-License-Identifier: Apache-2.0
"""The requests of a call, one at a time, for a callable that takes dense tensors.

Gathering pages is the helper's work and not the callable's: what it takes care of is not shown by
the callable's passing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .problem import CAUSAL, ENCODER_DECODER, ENCODER_ONLY, PER_REQUEST, Problem
from .tensors import Tensors


@dataclass
class Request:
    """Rows ``rows`` of query, key, value, out and lse belong to request ``index``."""

    index: int
    rows: slice
    q_len: int
    seq_len: int
    causal: bool
    query: Any  # [q_len, num_q_heads, head_dim_qk]
    key: Any  # [seq_len, num_kv_heads, head_dim_qk]
    value: Any  # [seq_len, num_kv_heads, head_dim_v]

    @property
    def context_len(self) -> int:
        return self.seq_len - self.q_len


def _gather(cache: Any, table: Any, seq_len: int, block_size: int) -> Any:
    """[num_blocks, block_size, heads, dim] to [seq_len, heads, dim]; a copy."""
    pages = table[: -(-seq_len // block_size)]
    gathered = cache[pages]
    return gathered.reshape(-1, *gathered.shape[2:])[:seq_len]


def requests(problem: Problem, tensors: Tensors) -> Iterator[Request]:
    starts = tensors.all["query_start_loc"].numpy().tolist()
    lengths = tensors.all["seq_lens"].numpy().tolist()
    per_request = problem.is_decoder and problem.causality == PER_REQUEST
    causal = tensors.all["request_causal"].numpy() if per_request else None
    query = tensors.query
    if problem.is_paged:
        key_cache, value_cache, table = tensors.key_cache, tensors.value_cache, tensors.block_table
    else:
        key, value = tensors.key, tensors.value
    for r in range(problem.num_requests):
        rows = slice(starts[r], starts[r + 1])
        q_len, seq_len = starts[r + 1] - starts[r], lengths[r]
        if problem.is_paged:
            keys = _gather(key_cache, table[r], seq_len, problem.block_size)
            values = _gather(value_cache, table[r], seq_len, problem.block_size)
        else:
            keys, values = key[rows], value[rows]
        is_causal = bool(causal[r]) if causal is not None else problem.is_causal
        yield Request(r, rows, q_len, seq_len, is_causal, query[rows], keys, values)


__all__ = ["CAUSAL", "ENCODER_DECODER", "ENCODER_ONLY", "Request", "requests"]
