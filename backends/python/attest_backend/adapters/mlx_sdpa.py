# SPDX-License-Identifier: Apache-2.0
"""mlx.core.fast.scaled_dot_product_attention on the CPU, where it is composed of MLX's own operations.

Its "causal" mask is aligned to the bottom right, as that of a decoder with cached context.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np

from ..claims import Claims
from ..problem import Problem
from ..requests import Request
from ..tensors import Tensors
from .per_request import EMULATED, PerRequest, causal_or_mask, masks_of, one_dtype_each

# Half an ulp of one: what a number loses when it is stored.
_HALF_ULP = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
# "Type of sinks must promote to output type": with queries of 16 bit MLX takes no float32 beside them.
_FLOAT32 = ["sinks", "additive-mask"]


def to_mlx(array: Any) -> mx.array:
    """A copy; bfloat16, which NumPy lacks, by its bits."""
    array = np.ascontiguousarray(array)
    if array.dtype.name == "bfloat16":
        return mx.array(array.view(np.uint16)).view(mx.bfloat16)
    return mx.array(array)


def to_numpy(array: mx.array, like: Any) -> Any:
    if array.dtype == mx.bfloat16:
        return np.array(array.view(mx.uint16)).view(like)
    return np.array(array)


def heads_first(array: Any) -> mx.array:
    """[length, heads, dim] to [1, heads, length, dim]."""
    return to_mlx(array.transpose(1, 0, 2)[None])


class Sdpa(PerRequest):
    def claims(self) -> Claims:
        features = [
            "decoder-causal", "decoder-non-causal", "per-request-causality", "encoder-only",
            "encoder-decoder", "boolean-mask", "kv-strides", "token-strides", "page-aliasing",
            "deterministic", "unequal-head-dims", *(_FLOAT32 if self.dtype == "float32" else []),
        ]  # fmt: skip
        return Claims(
            name=f"mlx-sdpa-{self.dtype}",
            version=f"mlx {mx.__version__}; {EMULATED}",
            vendor="Apple",
            device_name=str(mx.default_device()),
            features=features,
            dtypes=[self.dtype],
            head_dims=[(1, 576)],
            overrides=self.overrides(),
            exclusions=causal_or_mask('mask is "causal" or an array, not both', features),
        )

    def overrides(self) -> dict[str, float]:
        # Query times scale, scores and normalised weights are arrays of the inputs' type.
        half_ulp = _HALF_ULP.get(self.dtype)
        return {"round_q": half_ulp, "round_score": half_ulp, "round_p": 2} if half_ulp else {}

    def mask_of(self, problem: Problem, tensors: Tensors, r: Request) -> Any:
        mask = masks_of(problem, tensors, r)
        if mask is not None:
            return to_mlx(mask[None])
        return "causal" if r.causal else None

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        out = mx.fast.scaled_dot_product_attention(
            heads_first(r.query),
            heads_first(r.key),
            heads_first(r.value),
            scale=problem.scale,
            mask=self.mask_of(problem, tensors, r),
            sinks=None if tensors.sinks is None else to_mlx(tensors.sinks),
        )
        return to_numpy(out[0].transpose(1, 0, 2), r.query.dtype), None


Sdpa_float32, Sdpa_float16, Sdpa_bfloat16 = one_dtype_each(Sdpa)
