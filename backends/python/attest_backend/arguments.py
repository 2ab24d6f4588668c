# SPDX-License-Identifier: Apache-2.0
"""Arguments of a call that contradict the problem, and layouts that are not claimed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .checks import Invalid, Refuse
from .problem import ENCODER_ONLY, KV_STRIDED, Problem
from .tensors import Tensors

_TOKENS = ("query", "key", "value", "out")
_CACHES = ("key_cache", "value_cache")


def check_layout(claims: dict[str, Any], p: Problem, tensors: Tensors) -> None:
    """Strides are not in the problem, so this is a question to the tensors."""
    features = set(claims["features"])
    groups = [("token-strides", _TOKENS)]
    if p.kv_layout == KV_STRIDED and "shared-latent" not in features:
        groups.append(("kv-strides", _CACHES))
    for feature, members in groups:
        if feature in features:
            continue
        for name in members:
            tensor = tensors.all.get(name)
            if tensor is not None and not tensor.is_contiguous:
                raise Refuse(f"{claims['name']} does not claim {feature}: {name} is not contiguous")


def _bounds(p: Problem, q_lens: Any, seq_lens: Any) -> None:
    if q_lens.size and q_lens.max() > p.max_query_len:
        raise Invalid(f"max_query_len: {p.max_query_len}: less than a q_len of {q_lens.max()}")
    if seq_lens.size and seq_lens.max() > p.max_seq_len:
        raise Invalid(f"max_seq_len: {p.max_seq_len}: less than a seq_len of {seq_lens.max()}")
    if p.attention_type == ENCODER_ONLY and not np.array_equal(q_lens, seq_lens):
        raise Invalid("seq_lens: differs from q_len of encoder-only attention")


def _pages(p: Problem, seq_lens: Any, table: Any) -> None:
    counts = -(-seq_lens // p.block_size)
    if counts.size and counts.max() > p.block_table_width:
        raise Invalid(f"block_table_width: {p.block_table_width}: less than {counts.max()} pages")
    live = np.arange(table.shape[1]) < counts[:, None]
    pages = table[live]
    if pages.size and (pages.min() < 0 or pages.max() >= p.num_blocks):
        raise Invalid("block_table: names a page that the cache does not have")


def check_arguments(p: Problem, tensors: Tensors) -> None:
    """Raises Invalid where lengths, bounds or pages contradict one another."""
    needed = ["query", "query_start_loc", "seq_lens", "out"]
    needed += [*_CACHES, "block_table"] if p.is_paged else ["key", "value"]
    needed += ["lse"] if p.wants_lse else []
    for name in needed:
        if name not in tensors.all:
            raise Invalid(f"{name}: absent")
    starts = tensors.all["query_start_loc"].numpy()
    seq_lens = tensors.all["seq_lens"].numpy()
    if starts.shape != (p.num_requests + 1,) or seq_lens.shape != (p.num_requests,):
        raise Invalid(f"num_requests: {p.num_requests}: not the requests of query_start_loc and seq_lens")
    q_lens = np.diff(starts)
    if starts[0] != 0 or (q_lens < 0).any():
        raise Invalid("query_start_loc: not rising from 0")
    if (seq_lens < 0).any():
        raise Invalid("seq_lens: negative")
    if starts[-1] != p.num_actual_tokens:
        raise Invalid(f"num_actual_tokens: {p.num_actual_tokens}: query_start_loc ends at {starts[-1]}")
    _bounds(p, q_lens, seq_lens)
    if p.is_paged:
        _pages(p, seq_lens, tensors.all["block_table"].numpy())
