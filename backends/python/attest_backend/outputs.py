# SPDX-License-Identifier: Apache-2.0
"""What a callable returned, checked and put where it belongs. Nothing is rounded, scaled or filled in
on the way: a wrong shape or dtype is an error that says what was wanted."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dtypes import raw_dtype, size_of, word_of
from .tensors import Tensor


class BadReturn(TypeError):
    """The callable returned something that is no result."""


def _torch_bits(array: Any) -> tuple[str, np.ndarray[Any, Any]]:
    import torch

    array = array.detach().cpu()
    word = str(array.dtype).removeprefix("torch.")
    ints = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return word, array.contiguous().view(ints[array.element_size()]).numpy()


def _bits(value: Any, what: str) -> tuple[str, np.ndarray[Any, Any]]:
    """The dtype's word, and the bits as integers of the same size."""
    module = type(value).__module__.partition(".")[0]
    if module == "torch":
        return _torch_bits(value)
    if module == "cupy":
        value = value.get()
    if isinstance(value, Tensor):
        return value.dtype, value.raw()
    if not isinstance(value, np.ndarray):
        if not hasattr(value, "__array__") or isinstance(value, np.generic):
            raise BadReturn(f"{what} is {type(value).__name__}, wanted an array")
        value = np.asarray(value)
    if value.dtype.hasobject:
        raise BadReturn(f"{what} is an array of objects")
    if value.dtype.itemsize not in (1, 2, 4, 8):
        return word_of(value.dtype), value
    return word_of(value.dtype), value.view(f"u{value.dtype.itemsize}")


def store(value: Any, into: Tensor, rows: int, what: str) -> Any:
    """Checks ``value`` against ``into``. The answer writes it there: the first ``rows`` rows."""
    word, bits = _bits(value, what)
    if word != into.dtype:
        raise BadReturn(f"{what} is {word}, wanted {into.dtype}")
    wanted = [into.shape, (rows, *into.shape[1:])]
    if bits.shape not in wanted:
        raise BadReturn(f"{what} has shape {list(bits.shape)}, wanted {list(into.shape)}")
    target = into.raw()
    bits = bits.view(raw_dtype(into.dtype)) if bits.dtype.itemsize == size_of(into.dtype) else bits

    def write() -> None:
        target[:rows] = bits[:rows]

    return write


def store_result(returned: Any, out: Tensor, lse: Tensor | None, rows: int) -> None:
    """Writes ``out`` and, where it was asked for, ``lse``; both or nothing."""
    wanted = "(out, lse)" if lse is not None else "out"
    if returned is None:
        raise BadReturn(f"forward returned None, wanted {wanted}")
    pair = returned if isinstance(returned, (tuple, list)) else (returned, None)
    if len(pair) != 2:
        raise BadReturn(f"forward returned {len(pair)} values, wanted {wanted}")
    if lse is not None and pair[1] is None:
        raise BadReturn("forward returned no lse, which was asked for: wanted (out, lse)")
    writers = [store(pair[0], out, rows, "out")]
    if lse is not None:
        writers.append(store(pair[1], lse, rows, "lse"))
    for write in writers:
        write()
