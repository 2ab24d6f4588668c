# SPDX-License-Identifier: Apache-2.0
"""The problem of a call: every member of attest_problem_t under its own name, and readings of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dtypes import CODES

DECODER, ENCODER_ONLY, ENCODER_DECODER = 0, 1, 2
CAUSAL, NON_CAUSAL, PER_REQUEST = 0, 1, 2
KV_STRIDED, KV_X_SPLIT = 0, 1
MASK_NONE, MASK_BOOLEAN, MASK_ADDITIVE = 0, 1, 2
FLAG_LSE, FLAG_SINKS, FLAG_ALIBI, FLAG_PREFIX_RANGES, FLAG_PREFIX_CLAMPED = 1, 2, 4, 8, 16
FLAG_TREE_MASK, FLAG_BATCH_INVARIANT, FLAG_PAGE_ALIASING, FLAG_VALUE_IS_KEY_PREFIX = 32, 64, 128, 256
KNOWN_FLAGS = 511

_WORDS = {code: word for word, code in CODES.items()}
_DTYPES = ("query_dtype", "cache_dtype", "output_dtype")
_FLOATS = ("scale", "softcap")


class Problem:
    """Read-only. ``query_dtype``, ``cache_dtype`` and ``output_dtype`` are words ("bfloat16"), or a
    (code, bits, lanes) tuple where attest.h knows no such type."""

    def __init__(self, wire: Mapping[str, Any]) -> None:
        self.__dict__.update(wire)
        for name in _FLOATS:
            self.__dict__[name] = float.fromhex(wire[name])
        for name in _DTYPES:
            code, bits, lanes = (wire[name][part] for part in ("code", "bits", "lanes"))
            known = _WORDS.get((code, bits)) if lanes == 1 else None
            self.__dict__[name] = known or (code, bits, lanes)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"attest_problem_t has no member {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a problem is read-only")

    def __repr__(self) -> str:
        return f"Problem({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    def has(self, flag: int) -> bool:
        return bool(self.flags & flag)

    @property
    def wants_lse(self) -> bool:
        return self.has(FLAG_LSE)

    @property
    def is_decoder(self) -> bool:
        return bool(self.attention_type == DECODER)

    @property
    def is_causal(self) -> bool:
        """A causal decoder. Where requests differ, see Request.causal."""
        return self.is_decoder and self.causality == CAUSAL

    @property
    def is_paged(self) -> bool:
        return bool(self.attention_type != ENCODER_ONLY)

    @property
    def group(self) -> int:
        return int(self.num_q_heads // self.num_kv_heads)


def required_features(p: Problem) -> set[str]:
    """The claims that a problem needs, as far as the problem alone can say: strides are seen in the
    tensors only."""
    windowed = p.window_left > 0 or p.window_right > 0
    symmetric = windowed and p.window_left == p.window_right
    left_under_causal = p.is_causal and p.window_left > 0 and (symmetric or p.window_right == 0)
    needs = {
        "decoder-causal": p.is_causal,
        "decoder-non-causal": p.is_decoder and p.causality == NON_CAUSAL,
        "per-request-causality": p.is_decoder and p.causality == PER_REQUEST,
        "encoder-only": p.attention_type == ENCODER_ONLY,
        "encoder-decoder": p.attention_type == ENCODER_DECODER,
        "window-causal": left_under_causal,
        "window-symmetric": symmetric and not p.is_causal,
        "window-asymmetric": windowed and not symmetric and not left_under_causal,
        "softcap": p.softcap > 0,
        "alibi": p.has(FLAG_ALIBI),
        "sinks": p.has(FLAG_SINKS),
        "prefix-ranges": p.has(FLAG_PREFIX_RANGES),
        "prefix-clamped": p.has(FLAG_PREFIX_CLAMPED),
        "local-blocks": p.local_block_size > 0,
        "local-lookback": p.local_block_lookback > 0,
        "tree-mask": p.has(FLAG_TREE_MASK),
        "boolean-mask": p.custom_mask_kind == MASK_BOOLEAN,
        "additive-mask": p.custom_mask_kind == MASK_ADDITIVE,
        "lse": p.wants_lse,
        "kv-x-split": p.is_paged and p.kv_layout == KV_X_SPLIT,
        "shared-latent": p.has(FLAG_VALUE_IS_KEY_PREFIX),
        "page-aliasing": p.has(FLAG_PAGE_ALIASING),
        "batch-invariant": p.has(FLAG_BATCH_INVARIANT),
        "unequal-head-dims": p.head_dim_qk != p.head_dim_v,
        "kv-scale-per-tensor": p.kv_scale_kind == 1,
        "kv-scale-per-head": p.kv_scale_kind == 2,
        "kv-scale-per-token-head": p.kv_scale_kind == 3,
    }
    return {feature for feature, needed in needs.items() if needed}
