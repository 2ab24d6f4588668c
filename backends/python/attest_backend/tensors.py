# SPDX-License-Identifier: Apache-2.0
"""The tensors of a call. They are views of memory that attest shares with this process: nothing is
copied on the way in, and what is written is seen."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import dlpack
from .dtypes import CODES, numpy_dtype, raw_dtype, size_of

# Words for torch's types; float8 has the same names there.
_TORCH_RAW = {1: "i1", 2: "i2", 4: "i4", 8: "i8"}


class Tensor:
    """One tensor: ``numpy()``, ``torch()``, ``raw()``, or anything that reads DLPack."""

    __slots__ = ("name", "dtype", "shape", "strides", "_image", "_offset")

    def __init__(self, wire: Mapping[str, Any], image: mmap.mmap) -> None:
        self.name: str = wire["name"]
        self.dtype: str = wire["dtype"]
        self.shape: tuple[int, ...] = tuple(wire["shape"])
        self.strides: tuple[int, ...] = tuple(wire["strides"])  # in elements
        self._offset: int = wire["offset"]
        self._image = image

    def __repr__(self) -> str:
        return f"Tensor({self.name}, {self.dtype}, {list(self.shape)})"

    def _view(self, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        strides = tuple(step * dtype.itemsize for step in self.strides)
        if 0 in self.shape:  # may stand at the very end of the image
            return np.empty(self.shape, dtype)
        return np.ndarray(self.shape, dtype, self._image, self._offset, strides)

    def numpy(self) -> np.ndarray[Any, Any]:
        """DTypeUnavailable for bfloat16 and float8 without the package ml_dtypes."""
        return self._view(numpy_dtype(self.dtype))

    def raw(self) -> np.ndarray[Any, Any]:
        """The bits, as unsigned integers."""
        return self._view(raw_dtype(self.dtype))

    def torch(self) -> Any:
        import torch

        if self.dtype == "bool":
            return torch.from_numpy(self.numpy())
        bits = self._view(np.dtype(_TORCH_RAW[size_of(self.dtype)]))
        return torch.from_numpy(bits).view(getattr(torch, self.dtype))

    def jax(self) -> Any:
        """A copy: JAX owns its arrays."""
        import jax.numpy as jnp

        return jnp.array(np.ascontiguousarray(self.numpy()))

    def __dlpack__(self, **_: Any) -> Any:
        raw = self.raw()
        return dlpack.capsule(raw.ctypes.data, CODES[self.dtype], self.shape, self.strides, raw)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    @property
    def is_contiguous(self) -> bool:
        expected = 1
        for size, step in zip(reversed(self.shape), reversed(self.strides)):
            if size != 1 and step != expected:
                return False
            expected *= max(size, 1)
        return True


class Tensors:
    """The members of attest_forward_args_t by name; an absent one is None.

    ``arrays`` of the backend chooses what a member is: "numpy" and "torch" arrays, or "tensor" for
    the Tensor itself.
    """

    def __init__(self, wire: Sequence[Mapping[str, Any]], image: mmap.mmap, arrays: str) -> None:
        self.all: dict[str, Tensor] = {entry["name"]: Tensor(entry, image) for entry in wire}
        self._arrays = arrays

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in MEMBERS and not name.startswith("part_"):
            raise AttributeError(f"a call has no tensor {name!r}")
        return self._as_array(self.all[name]) if name in self.all else None

    def _as_array(self, tensor: Tensor) -> Any:
        if self._arrays == "numpy":
            return tensor.numpy()
        if self._arrays == "torch":
            return tensor.torch()
        if self._arrays == "jax":
            return tensor.jax()
        return tensor


MEMBERS = frozenset(
    """query key value key_cache value_cache query_start_loc seq_lens block_table slot_mapping
    request_causal sinks alibi_slopes prefix_ranges tree_mask custom_mask key_scale value_scale out
    lse""".split()
)
