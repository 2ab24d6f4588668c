# SPDX-License-Identifier: Apache-2.0
"""ONNX models of one node, and the sessions that run them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

VERSION = f"onnxruntime {onnxruntime.__version__}"
_ELEMENTS = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "bool": TensorProto.BOOL,
             "int32": TensorProto.INT32, "int64": TensorProto.INT64}  # fmt: skip
threads = 1


@lru_cache(maxsize=256)
def session(
    op: str,
    domain: str,
    opset: int,
    inputs: tuple[tuple[str, str], ...],
    outputs: tuple[str, ...],
    attributes: tuple[tuple[str, Any], ...],
) -> Any:
    """``inputs`` are pairs of name and dtype; an empty name leaves an optional input out."""
    element = _ELEMENTS[inputs[0][1]]
    node = helper.make_node(
        op, [name for name, _ in inputs], list(outputs), domain=domain, **dict(attributes)
    )
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(name, _ELEMENTS[dtype], None) for name, dtype in inputs if name],
        [helper.make_tensor_value_info(name, element, None) for name in outputs if name],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(
    op: str,
    domain: str,
    opset: int,
    feeds: dict[str, Any],
    order: tuple[str, ...],
    outputs: tuple[str, ...],
    **attributes: Any,
) -> Any:
    """The first output. ``order`` is the node's inputs; those that ``feeds`` lacks are left out."""
    names = tuple(name if name in feeds else "" for name in order)
    while not names[-1]:
        names = names[:-1]
    inputs = tuple((name, str(feeds[name].dtype) if name else "") for name in names)
    runner = session(op, domain, opset, inputs, outputs, tuple(sorted(attributes.items())))
    return runner.run(None, feeds)[0]


def heads_first(array: Any) -> Any:
    """[length, heads, dim] to [1, heads, length, dim]."""
    return np.ascontiguousarray(array.transpose(1, 0, 2))[None]
