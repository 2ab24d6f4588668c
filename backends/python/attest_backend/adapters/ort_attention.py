# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime's kernel for the standard operator ai.onnx.Attention, on the CPU.

`is_causal` is aligned by `nonpad_kv_seqlen` (opset 24): offset = nonpad_kv_seqlen - q_len.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..claims import Claims, Exclusion
from ..problem import Problem
from ..requests import Request
from ..tensors import Tensors
from . import ort_session
from .ort_session import VERSION, heads_first
from .per_request import EMULATED, PerRequest, masks_of

_INPUTS = ("Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen")


class Attention(PerRequest):
    def open(self, options: Mapping[str, str]) -> None:
        ort_session.threads = int(options.get("threads", "1"))

    def claims(self) -> Claims:
        return Claims(
            name="onnxruntime-attention",
            version=f"{VERSION}, ai.onnx.Attention of opset 24; {EMULATED}",
            vendor="Microsoft",
            device_name="CPUExecutionProvider",
            features=[
                "decoder-causal", "decoder-non-causal", "encoder-only", "encoder-decoder", "softcap",
                "boolean-mask", "additive-mask", "per-request-causality", "unequal-head-dims",
                "kv-strides", "token-strides", "page-aliasing", "deterministic",
            ],
            dtypes=["float32"],
            exclusions=self.exclusions(),
            head_dims=[(1, 576)],
        )  # fmt: skip

    def exclusions(self) -> list[Exclusion]:
        return []

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        feeds = {"Q": heads_first(r.query), "K": heads_first(r.key), "V": heads_first(r.value)}
        mask = masks_of(problem, tensors, r)
        if mask is not None:
            feeds["attn_mask"] = np.ascontiguousarray(mask)[None]
        if r.causal:
            feeds["nonpad_kv_seqlen"] = np.array([r.seq_len], np.int64)
        attributes = {"scale": problem.scale, "is_causal": int(r.causal)}
        if problem.softcap:
            attributes["softcap"] = problem.softcap
        out = ort_session.run("Attention", "", 24, feeds, _INPUTS, ("Y",), **attributes)
        return out[0].transpose(1, 0, 2), None


class AttentionHalf(Attention):
    """The same in float16, whose scores and weights the kernel keeps in float16."""

    def claims(self) -> Claims:
        whole = super().claims()
        return Claims(
            **{
                **vars(whole),
                "name": "onnxruntime-attention-float16",
                "dtypes": ["float16"],
                "features": [name for name in whole.features if name != "additive-mask"],
                # Eager: scores are stored in float16, and weights after they were divided by their sum.
                "overrides": {"round_p": 2, "round_score": 2.0**-11},
            }
        )
