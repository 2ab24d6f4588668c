# SPDX-License-Identifier: Apache-2.0
"""jax.nn.dot_product_attention, implementation "xla".

Its causal mask and its window count rows from the top left. A decoder that has cached context cannot
be said by them, so causal decoders are not claimed; `TopLeft` claims them to show what happens.
Without a custom mask a request is padded, and its length said by the library's own arguments.
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


# One program a shape: without jit, XLA compiles some thirty of them, for 3 to 5 s instead of 0.8 s.
_jitted = jax.jit(
    jax.nn.dot_product_attention,
    static_argnames=("scale", "is_causal", "local_window_size", "implementation", "return_residual"),
)


def padded(length: int) -> int:
    """A power of two, 64 at least: XLA compiles each shape anew."""
    return max(64, 1 << (length - 1).bit_length())


def to_length(array: Any, length: int) -> Any:
    """[n, heads, dim] to [1, length, heads, dim]; zeros behind."""
    whole = np.zeros((1, length, *array.shape[1:]), array.dtype)
    whole[0, : array.shape[0]] = array
    return jnp.asarray(whole)


class DotProduct(PerRequest):
    def claims(self) -> Claims:
        how = "eager" if self.dtype == "float16" else "jitted"
        why = "local_window_size counts rows from the top left"
        return Claims(
            name=f"jax-dot-product-{self.dtype}",
            version=f"jax {jax.__version__}, implementation xla, {how}; {EMULATED}",
            vendor="JAX",
            # The residual is cast to the keys' type; the LSE is float32.
            features=[*_FEATURES, *(["lse"] if self.dtype == "float32" else [])],
            dtypes=[self.dtype],
            head_dims=[(1, 576)],
            # softmax(...).astype(key.dtype): weights are divided by their sum before they are stored.
            overrides={} if self.dtype == "float32" else {"round_p": 2},
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
        rows, keys = r.q_len, r.seq_len
        if mask is not None:
            named["mask" if mask.dtype == bool else "bias"] = jnp.asarray(mask)[None]
        else:
            rows, keys = padded(rows), padded(keys)
            named["query_seq_lengths"] = np.array([r.q_len], np.int32)
            named["key_value_seq_lengths"] = np.array([r.seq_len], np.int32)
        # "The precision 'F16_F16_F32' is not supported by dot_general on CPU", says the compiler.
        call = jax.nn.dot_product_attention if self.dtype == "float16" else _jitted
        out = call(
            to_length(r.query, rows),
            to_length(r.key, keys),
            to_length(r.value, keys),
            scale=float(problem.scale),
            is_causal=bool(r.causal),
            local_window_size=self.window_of(problem),
            implementation="xla",
            return_residual=bool(problem.wants_lse),
            **named,
        )
        lse = None
        if problem.wants_lse:
            out, residual = out
            lse = np.asarray(residual)[0, : r.q_len]
        return np.asarray(out)[0, : r.q_len], lse


class TopLeft(DotProduct):
    """Claims a causal decoder through is_causal as it is."""

    def claims(self) -> Claims:
        base = super().claims()
        return Claims(
            **{**vars(base), "name": f"jax-dot-product-causal-{self.dtype}", "exclusions": (),
               "features": [*base.features, "decoder-causal", "window-causal"]}
        )  # fmt: skip


DotProduct_float32, DotProduct_float16, DotProduct_bfloat16 = one_dtype_each(DotProduct)
TopLeft_float32, TopLeft_float16, TopLeft_bfloat16 = one_dtype_each(TopLeft)
