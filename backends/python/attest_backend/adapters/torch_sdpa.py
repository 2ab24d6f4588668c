# SPDX-License-Identifier: Apache-2.0
"""torch.nn.functional.scaled_dot_product_attention, each CPU backend forced by sdpa_kernel.

`is_causal=True` of torch is aligned to the top left. Its own way to say the other alignment is
torch.nn.attention.bias.causal_lower_right, which is what a causal decoder is given here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

from ..claims import Claims
from ..problem import Problem
from ..requests import Request
from ..tensors import Tensors
from .per_request import EMULATED, PerRequest, causal_or_mask, masks_of, one_dtype_each


def heads_first(tensor: Any) -> Any:
    """[length, heads, dim] to [1, heads, length, dim]."""
    return tensor.transpose(0, 1)[None]


class Sdpa(PerRequest):
    arrays = "torch"
    library = torch
    kernel: Any = None  # torch's own choice
    device_name = "cpu"
    more_features: tuple[str, ...] = ("unequal-head-dims",)

    def open(self, options: Mapping[str, str]) -> None:
        torch.set_num_threads(int(options.get("threads", "1")))

    def claims(self) -> Claims:
        features = [
            "decoder-causal", "decoder-non-causal", "per-request-causality", "encoder-only",
            "encoder-decoder", "boolean-mask", "additive-mask", "kv-strides", "token-strides",
            "page-aliasing", "deterministic", *self.more_features,
        ]  # fmt: skip
        chosen = self.kernel.name.lower().replace("_", "-") if self.kernel else "default"
        return Claims(
            name=f"torch-sdpa-{chosen}-{self.dtype}",
            version=f"torch {torch.__version__}; {EMULATED}",
            vendor="PyTorch",
            device_name=self.device_name,
            features=features,
            dtypes=[self.dtype],
            head_dims=[(1, 576)],
            overrides=self.overrides(),
            exclusions=causal_or_mask("torch takes a causal bias or an attn_mask, not both", features),
        )

    def overrides(self) -> dict[str, float]:
        return {}

    def bias_of(self, problem: Problem, tensors: Tensors, r: Request) -> Any:
        mask = masks_of(problem, tensors, r)
        if mask is not None:
            return mask[None]
        return causal_lower_right(r.q_len, r.seq_len) if r.causal else None

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        call = dict(
            query=heads_first(r.query),
            key=heads_first(r.key),
            value=heads_first(r.value),
            attn_mask=self.bias_of(problem, tensors, r),
            scale=problem.scale,
            enable_gqa=problem.group > 1,
        )
        if self.kernel is None:
            out = scaled_dot_product_attention(**call)
        else:
            with sdpa_kernel([self.kernel]):
                out = scaled_dot_product_attention(**call)
        return out[0].transpose(0, 1), None


class Math(Sdpa):
    kernel = SDPBackend.MATH


class Flash(Sdpa):
    kernel = SDPBackend.FLASH_ATTENTION
    more_features = ()

    def overrides(self) -> dict[str, float]:
        # In float16 equal scores give an output that is off by up to 5.31e-5 of its size. That is the shift of
        # Vectorized::fexp_u20 (ATen/cpu/vec/vec512/vec512_float.h), a cubic polynomial put into the bits of a
        # float: e^0 is 1 - 5.34e-5, and from -86 to 0, in float32 steps, it is off by at most 1.125e-4. bfloat16
        # rounds eight times as coarsely and needs no override.
        return {"exp_error": 1.13e-4} if self.dtype == "float16" else {}


Sdpa_float32, Sdpa_float16, Sdpa_bfloat16 = one_dtype_each(Sdpa)
Math_float32, Math_float16, Math_bfloat16 = one_dtype_each(Math)
Flash_float32, Flash_float16, Flash_bfloat16 = one_dtype_each(Flash)
