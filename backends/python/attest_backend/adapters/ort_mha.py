# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime's com.microsoft.MultiHeadAttention on the CPU: as many key heads as query heads.

`unidirectional` counts positions from the end of the past, which is passed as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..checks import Refuse
from ..claims import Claims
from ..problem import Problem
from ..requests import Request
from ..tensors import Tensors
from . import ort_session
from .ort_gqa import packed
from .ort_session import VERSION, heads_first
from .per_request import EMULATED, PerRequest, masks_of

_INPUTS = (
    "query", "key", "value", "bias", "key_padding_mask", "attention_bias", "past_key", "past_value",
)  # fmt: skip
_OUTPUTS = ("output", "present_key", "present_value")


class MultiHeadAttention(PerRequest):
    def open(self, options: Mapping[str, str]) -> None:
        ort_session.threads = int(options.get("threads", "1"))

    def claims(self) -> Claims:
        return Claims(
            name="onnxruntime-mha",
            version=f"{VERSION}, com.microsoft.MultiHeadAttention; {EMULATED}",
            vendor="Microsoft",
            device_name="CPUExecutionProvider",
            features=[
                "decoder-causal", "decoder-non-causal", "encoder-only", "encoder-decoder",
                "additive-mask", "per-request-causality", "unequal-head-dims", "kv-strides",
                "token-strides", "page-aliasing", "deterministic",
            ],
            dtypes=["float32"],
            group_sizes=[1],
            head_dims=[(1, 576)],
        )  # fmt: skip

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        past = r.context_len if r.causal else 0
        if past < 0:
            raise Refuse("MultiHeadAttention cannot say q_len > seq_len under a causal mask")
        feeds = {
            "query": packed(r.query), "key": packed(r.key[past:]), "value": packed(r.value[past:]),
        }  # fmt: skip
        if r.causal:
            feeds["past_key"] = heads_first(r.key[:past])
            feeds["past_value"] = heads_first(r.value[:past])
        mask = masks_of(problem, tensors, r)
        if mask is not None:
            feeds["attention_bias"] = np.ascontiguousarray(mask)[None]
        outputs = _OUTPUTS if r.causal else _OUTPUTS[:1]
        out = ort_session.run(
            "MultiHeadAttention", "com.microsoft", 21, feeds, _INPUTS, outputs,
            num_heads=problem.num_q_heads, scale=problem.scale, unidirectional=int(r.causal),
        )  # fmt: skip
        return out[0].reshape(r.q_len, problem.num_q_heads, -1), None
