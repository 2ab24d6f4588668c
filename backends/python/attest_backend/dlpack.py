# SPDX-License-Identifier: Apache-2.0
"""A tensor of the image as a DLPack capsule, without a copy. NumPy's own export knows neither
bfloat16 nor float8, so the structure of dlpack.h is filled here."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

_NAME = b"dltensor"


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class _DLManagedTensor(ctypes.Structure):
    pass


_DELETER = ctypes.CFUNCTYPE(None, ctypes.POINTER(_DLManagedTensor))
_DLManagedTensor._fields_ = [
    ("tensor", _DLTensor),
    ("context", ctypes.c_void_p),
    ("deleter", _DELETER),
]

# What a consumer holds on to, by the address of its structure, until it calls the deleter.
_alive: dict[int, tuple[Any, ...]] = {}


def _delete(managed: Any) -> None:
    _alive.pop(ctypes.addressof(managed.contents), None)


_delete_callback = _DELETER(_delete)

_new = ctypes.pythonapi.PyCapsule_New
_new.restype = ctypes.py_object
_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.restype = ctypes.c_int
_is_valid.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]

_DESTRUCTOR = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)


def _destroy(capsule: int) -> None:
    # A capsule that nobody has taken still carries its first name.
    if _is_valid(capsule, _NAME):
        _alive.pop(_pointer(capsule, _NAME), None)


_destroy_callback = _DESTRUCTOR(_destroy)


def capsule(
    address: int, code: tuple[int, int], shape: Sequence[int], strides: Sequence[int], owner: Any
) -> Any:
    """``strides`` count elements; ``owner`` keeps the memory."""
    ndim = len(shape)
    shape_array = (ctypes.c_int64 * max(ndim, 1))(*shape)
    strides_array = (ctypes.c_int64 * max(ndim, 1))(*strides)
    managed = _DLManagedTensor()
    tensor = managed.tensor
    tensor.data = address
    tensor.device_type = 1  # host memory
    tensor.ndim = ndim
    tensor.code, tensor.bits = code
    tensor.lanes = 1
    tensor.shape = ctypes.cast(shape_array, ctypes.POINTER(ctypes.c_int64))
    tensor.strides = ctypes.cast(strides_array, ctypes.POINTER(ctypes.c_int64))
    managed.deleter = _delete_callback
    where = ctypes.addressof(managed)
    _alive[where] = (managed, shape_array, strides_array, owner)
    return _new(where, _NAME, ctypes.cast(_destroy_callback, ctypes.c_void_p))
