# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime's com.microsoft.GroupQueryAttention on the CPU: causal, with the context as past.

The operator takes this step's keys apart from the cached ones, so it cannot say q_len > seq_len.
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
from .ort_session import VERSION, heads_first
from .per_request import EMULATED, PerRequest

_INPUTS = (
    "query", "key", "value", "past_key", "past_value", "seqlens_k", "total_sequence_length",
    "cos_cache", "sin_cache", "position_ids", "attention_bias", "head_sink",
)  # fmt: skip
_OUTPUTS = ("output", "present_key", "present_value")


def packed(array: Any) -> Any:
    """[length, heads, dim] to [1, length, heads * dim]."""
    return np.ascontiguousarray(array).reshape(1, array.shape[0], -1)


class GroupQueryAttention(PerRequest):
    def open(self, options: Mapping[str, str]) -> None:
        ort_session.threads = int(options.get("threads", "1"))

    def claims(self) -> Claims:
        return Claims(
            name="onnxruntime-gqa",
            version=f"{VERSION}, com.microsoft.GroupQueryAttention; {EMULATED}",
            vendor="Microsoft",
            device_name="CPUExecutionProvider",
            features=[
                "decoder-causal", "window-causal", "softcap", "sinks", "kv-strides", "token-strides",
                "page-aliasing", "deterministic",
            ],
            dtypes=["float32"],
            head_dims=[(8, 512, 8)],
        )  # fmt: skip

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        if r.context_len < 0:
            raise Refuse("GroupQueryAttention cannot say q_len > seq_len: its keys are the past and the step's")
        past, heads = r.context_len, problem.num_kv_heads
        feeds = {
            "query": packed(r.query),
            "key": packed(r.key[past:]),
            "value": packed(r.value[past:]),
            "past_key": heads_first(r.key[:past]),
            "past_value": heads_first(r.value[:past]),
            "seqlens_k": np.array([r.seq_len - 1], np.int32),
            "total_sequence_length": np.array(r.seq_len, np.int32),
        }
        if tensors.sinks is not None:
            feeds["head_sink"] = tensors.sinks.copy()
        attributes: dict[str, Any] = {
            "num_heads": problem.num_q_heads, "kv_num_heads": heads, "scale": problem.scale,
        }  # fmt: skip
        if problem.softcap:
            attributes["softcap"] = problem.softcap
        if problem.window_left:
            attributes["local_window_size"] = problem.window_left
        out = ort_session.run(
            "GroupQueryAttention", "com.microsoft", 21, feeds, _INPUTS, _OUTPUTS, **attributes
        )
        return out[0].reshape(r.q_len, problem.num_q_heads, -1), None
