# SPDX-License-Identifier: Apache-2.0
"""jax.nn.dot_product_attention, implementation "xla".

Its causal mask and its window count rows from the top left. A decoder that has cached context cannot
be said by them, so causal decoders are not claimed; `TopLeft` claims them to show what happens.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..claims import Claims, Exclusion
from ..problem import Problem
from ..requests import Request
from ..tensors import Tensors
from .per_request import EMULATED, PerRequest, masks_of, one_dtype_each

_FEATURES = [
    "decoder-non-causal", "encoder-only", "encoder-decoder", "window-symmetric",
    "window-asymmetric", "boolean-mask", "additive-mask", "kv-strides", "token-strides",
    "page-aliasing", "deterministic",
]  # fmt: skip


class DotProduct(PerRequest):
    def claims(self) -> Claims:
        why = "local_window_size counts rows from the top left"
        return Claims(
            name=f"jax-dot-product-{self.dtype}",
            version=f"jax {jax.__version__}, implementation xla; {EMULATED}",
            vendor="JAX",
            features=_FEATURES,
            dtypes=[self.dtype],
            head_dims=[(1, 576)],
            exclusions=[
                Exclusion(why, ["decoder-non-causal", "window-symmetric"]),
                Exclusion(why, ["decoder-non-causal", "window-asymmetric"]),
            ],
        )

    def window_of(self, problem: Problem) -> Any:
        """Inclusive distances; jax takes None for no window and has no open side."""
        if not problem.window_left and not problem.window_right:
            return None
        far = int(problem.max_seq_len) + int(problem.max_query_len)
        left = problem.window_left - 1 if problem.window_left else far
        right = problem.window_right - 1 if problem.window_right else far
        return (int(left), int(right))

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        mask = masks_of(problem, tensors, r)
        named: dict[str, Any] = {}
        if mask is not None:
            named["mask" if mask.dtype == bool else "bias"] = jnp.asarray(mask)[None]
        out = jax.nn.dot_product_attention(
            jnp.asarray(r.query)[None],
            jnp.asarray(r.key)[None],
            jnp.asarray(r.value)[None],
            scale=problem.scale,
            is_causal=r.causal,
            local_window_size=self.window_of(problem),
            implementation="xla",
            **named,
        )
        return np.asarray(out)[0], None


class TopLeft(DotProduct):
    """Claims a causal decoder through is_causal as it is."""

    def claims(self) -> Claims:
        base = super().claims()
        return Claims(
            **{**vars(base), "name": f"jax-dot-product-causal-{self.dtype}", "exclusions": (),
               "features": [*_FEATURES, "decoder-causal", "window-causal"]}
        )  # fmt: skip


DotProduct_float32, DotProduct_float16, DotProduct_bfloat16 = one_dtype_each(DotProduct)
TopLeft_float32, TopLeft_float16, TopLeft_bfloat16 = one_dtype_each(TopLeft)
