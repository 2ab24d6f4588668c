# SPDX-License-Identifier: Apache-2.0
"""What a backend says of itself. The words are those of spec/abi/worker.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FEATURES = frozenset(
    """decoder-causal decoder-non-causal per-request-causality encoder-only encoder-decoder
    window-causal window-symmetric window-asymmetric softcap alibi sinks prefix-ranges
    prefix-clamped local-blocks local-lookback tree-mask boolean-mask additive-mask lse kv-x-split
    kv-strides token-strides shared-latent page-aliasing deterministic batch-invariant
    chunk-invariant unequal-head-dims kv-scale-per-tensor kv-scale-per-head
    kv-scale-per-token-head write-kv merge""".split()
)
GRAPH_LEVELS = ("none", "uniform-single-token", "uniform-batch", "always")
ARITHMETIC_NUMBERS = (
    "accumulate_qk", "accumulate_pv", "accumulate_l", "round_p", "round_output", "exp_error",
    "tanh_error", "round_q", "round_k", "round_v", "round_score", "round_partial",
)  # fmt: skip



def _range(value: Any, where: str) -> list[int]:
    """64, (1, 256) or (64, 256, 64): one size, first to last, or that in steps."""
    parts = [value, value] if isinstance(value, int) else list(value)
    if len(parts) == 2:
        parts.append(1)
    if len(parts) != 3 or not all(isinstance(part, int) and part >= 1 for part in parts):
        raise ValueError(f"claims.{where}: {value!r} is no size, (first, last) or (first, last, step)")
    return parts


@dataclass(frozen=True)
class Exclusion:
    """A combination of claimed features that is not supported all the same."""

    reason: str
    features: Sequence[str] = ()
    query_dtype: str = "none"
    cache_dtype: str = "none"
    head_dim_qk: int = 0


@dataclass(frozen=True)
class Claims:
    """``dtypes`` stands for query, cache and output where these are not given."""

    name: str
    features: Iterable[str] = ("decoder-causal",)
    version: str = ""
    vendor: str = ""
    device_name: str = "cpu"
    dtypes: Sequence[str] = ("float32",)
    query_dtypes: Sequence[str] | None = None
    cache_dtypes: Sequence[str] | None = None
    output_dtypes: Sequence[str] | None = None
    head_dims: Sequence[Any] = ((1, 512),)
    group_sizes: Sequence[Any] = ((1, 128),)
    block_sizes: Sequence[Any] = ((1, 1024),)
    exclusions: Sequence[Exclusion] = ()
    arithmetic: str = "default"
    overrides: Mapping[str, float] = field(default_factory=dict)
    graph_level: str = "none"

    def to_json(self) -> dict[str, Any]:
        """As the protocol wants it. ValueError names the field that is wrong."""
        unknown = sorted(set(self.features) - FEATURES)
        if unknown:
            raise ValueError(f"claims.features: unknown feature {unknown[0]!r}")
        if not self.name:
            raise ValueError("claims.name: empty")
        if self.graph_level not in GRAPH_LEVELS:
            raise ValueError(f"claims.graph_level: unknown word {self.graph_level!r}")
        strange = sorted(set(self.overrides) - set(ARITHMETIC_NUMBERS) - {"tile_min"})
        if strange:
            raise ValueError(f"claims.overrides: unknown parameter {strange[0]!r}")
        return {
            "name": self.name,
            "version": self.version,
            "vendor": self.vendor,
            "device_name": self.device_name,
            "features": sorted(self.features),
            "graph_level": self.graph_level,
            "query_dtypes": list(self.dtypes_of("query")),
            "cache_dtypes": list(self.dtypes_of("cache")),
            "output_dtypes": list(self.dtypes_of("output")),
            "head_dims": [_range(value, "head_dims") for value in self.head_dims],
            "group_sizes": [_range(value, "group_sizes") for value in self.group_sizes],
            "block_sizes": [_range(value, "block_sizes") for value in self.block_sizes],
            "exclusions": [
                {
                    "features": list(exclusion.features),
                    "query_dtype": exclusion.query_dtype,
                    "cache_dtype": exclusion.cache_dtype,
                    "head_dim_qk": exclusion.head_dim_qk,
                    "reason": exclusion.reason,
                }
                for exclusion in self.exclusions
            ],
            "arithmetic": {
                "class": self.arithmetic,
                **{name: float(self.overrides.get(name, 0.0)) for name in ARITHMETIC_NUMBERS},
                "tile_min": int(self.overrides.get("tile_min", 0)),
            },
        }

    def dtypes_of(self, which: str) -> Sequence[str]:
        chosen: Sequence[str] | None = getattr(self, f"{which}_dtypes")
        return self.dtypes if chosen is None else chosen
