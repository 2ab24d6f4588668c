# SPDX-License-Identifier: Apache-2.0
"""What every backend must answer alike: nonsense is invalid (ABI-02, ABI-05), and what is not claimed
is refused with a reason (ABI-06). An author's own ``supports`` is asked after these."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from . import problem as names
from .dtypes import CODES, KNOWN_CODES
from .problem import Problem, required_features


class Refuse(Exception):
    """Raise it in ``supports`` or ``forward``: the backend does not do this. The text is the reason."""


class Invalid(Exception):
    """The problem contradicts itself or the spec. The text names the field."""


_ENUMS = (
    ("attention_type", 2),
    ("causality", 2),
    ("kv_scale_kind", 3),
    ("kv_layout", 1),
    ("custom_mask_kind", 2),
    ("reserved0", 0),
)
_LEAST = {
    **{name: 1 for name in ("num_q_heads", "num_kv_heads", "head_dim_qk", "head_dim_v")},
    **{
        name: 0
        for name in (
            "window_left", "window_right", "local_block_size", "local_block_lookback",
            "num_requests", "num_actual_tokens", "max_query_len", "max_seq_len", "num_blocks",
            "block_table_width",
        )
    },
}  # fmt: skip


def _fields(p: Problem) -> Iterator[tuple[bool, str, str]]:
    for name, most in _ENUMS:
        yield not 0 <= getattr(p, name) <= most, name, "unknown value"
    yield bool(p.flags & ~names.KNOWN_FLAGS), "flags", "unknown bits"
    for name in ("query_dtype", "cache_dtype", "output_dtype"):
        dtype: Any = getattr(p, name)
        known = isinstance(dtype, str) or (dtype[2] == 1 and dtype[:2] in KNOWN_CODES)
        yield not known, name, "unknown type"
    for name, least in _LEAST.items():
        yield getattr(p, name) < least, name, f"less than {least}"
    yield p.is_paged and p.block_size < 1, "block_size", "less than 1"
    yield not p.is_paged and p.block_size != 0, "block_size", "encoder-only attention has no pages"


def _rules(p: Problem) -> Iterator[tuple[bool, str, str]]:
    decoder, causal = p.is_decoder, p.is_causal
    cross = p.attention_type == names.ENCODER_DECODER
    tree, ranges = p.has(names.FLAG_TREE_MASK), p.has(names.FLAG_PREFIX_RANGES)
    clamped, latent = p.has(names.FLAG_PREFIX_CLAMPED), p.has(names.FLAG_VALUE_IS_KEY_PREFIX)
    bounded = p.window_left > 0 or p.window_right > 0 or p.local_block_size > 0
    bits = 8 if isinstance(p.cache_dtype, tuple) else CODES[p.cache_dtype][1]
    yield p.num_q_heads % p.num_kv_heads != 0, "num_kv_heads", "does not divide num_q_heads"
    yield not math.isfinite(p.scale) or p.scale == 0, "scale", "not finite, or 0"
    yield not math.isfinite(p.softcap) or p.softcap < 0, "softcap", "not finite, or negative"
    yield cross and p.window_left > 0, "window_left", "cross attention has no window"
    yield cross and p.window_right > 0, "window_right", "cross attention has no window"
    yield p.local_block_size > 0 and not causal, "local_block_size", "outside a causal decoder"
    yield (
        p.local_block_lookback > 0 and p.local_block_size == 0,
        "local_block_lookback",
        "without local_block_size",
    )
    yield tree and not causal, "flags", "a tree mask outside a causal decoder"
    yield tree and bounded, "flags", "a tree mask with a window or local blocks"
    yield tree and ranges, "flags", "a tree mask with prefix ranges"
    yield ranges and not decoder, "flags", "prefix ranges outside a decoder"
    yield clamped and not ranges, "flags", "clamped prefix ranges without prefix ranges"
    yield clamped and p.window_left == 0, "window_left", "no window for the clamped prefix ranges"
    yield cross and p.has(names.FLAG_ALIBI), "flags", "cross attention has no ALiBi"
    yield (
        p.cache_dtype == "int8" and p.kv_scale_kind != 3,
        "kv_scale_kind",
        "an int8 cache needs a scale for each token and head",
    )
    yield (
        p.kv_scale_kind != 0 and (bits != 8 or not p.is_paged),
        "kv_scale_kind",
        "without an 8-bit cache",
    )
    yield latent and p.kv_scale_kind > 1, "kv_scale_kind", "a shared latent has one scale"
    yield latent and p.head_dim_v > p.head_dim_qk, "head_dim_v", "wider than its key"


def check_problem(p: Problem) -> None:
    """Raises Invalid for a problem that contradicts itself or the spec."""
    for rules in (_fields, _rules):
        for broken, name, why in rules(p):
            if broken:
                raise Invalid(f"{name}: {getattr(p, name)!r}: {why}")


def _in_ranges(ranges: list[list[int]], value: int) -> bool:
    return any(first <= value <= last and (value - first) % step == 0 for first, last, step in ranges)


def check_claims(claims: dict[str, Any], p: Problem) -> None:
    """Raises Refuse for a problem outside the claims."""
    needed = required_features(p)
    missing = sorted(needed - set(claims["features"]))
    if missing:
        raise Refuse(f"{claims['name']} does not claim {', '.join(missing)}")
    for which in ("query", "cache", "output"):
        dtype = getattr(p, f"{which}_dtype")
        if dtype not in claims[f"{which}_dtypes"]:
            raise Refuse(f"{claims['name']} does not claim {which} dtype {dtype}")
    sizes = [("head_dims", p.head_dim_qk), ("head_dims", p.head_dim_v), ("group_sizes", p.group)]
    if p.is_paged:
        sizes.append(("block_sizes", p.block_size))
    for name, value in sizes:
        if not _in_ranges(claims[name], value):
            raise Refuse(f"{claims['name']} does not claim {value} among its {name}")
    for exclusion in claims["exclusions"]:
        narrowed = (
            set(exclusion["features"]) <= needed
            and exclusion["query_dtype"] in ("none", p.query_dtype)
            and exclusion["cache_dtype"] in ("none", p.cache_dtype)
            and exclusion["head_dim_qk"] in (0, p.head_dim_qk)
        )
        if narrowed:
            raise Refuse(exclusion["reason"])
