# SPDX-License-Identifier: Apache-2.0
"""Element types of tensors: the words of the protocol, and what NumPy calls them.

NumPy has no bfloat16 and no float8. With the package ml_dtypes it has; without it such a tensor can
be read as the integers that its bits are (``Tensor.raw()``).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

# attest.h: (code, bits) of each word.
CODES: dict[str, tuple[int, int]] = {
    "float32": (2, 32),
    "float16": (2, 16),
    "bfloat16": (4, 16),
    "float8_e4m3fn": (10, 8),
    "float8_e4m3fnuz": (11, 8),
    "float8_e5m2": (12, 8),
    "int8": (0, 8),
    "int32": (0, 32),
    "int64": (0, 64),
    "bool": (6, 8),
}
# Types that attest.h names and no case uses: known, never claimed.
KNOWN_CODES = frozenset(CODES.values()) | {(13, 8), (1, 8)}

_PLAIN = {"float32": "f4", "float16": "f2", "int8": "i1", "int32": "i4", "int64": "i8", "bool": "?"}


class DTypeUnavailable(TypeError):
    """This interpreter has no array type for a dtype; the text says which package brings it."""


def size_of(word: str) -> int:
    return CODES[word][1] // 8


@lru_cache(maxsize=None)
def numpy_dtype(word: str) -> np.dtype[Any]:
    if word in _PLAIN:
        return np.dtype(_PLAIN[word])
    try:
        import ml_dtypes
    except ImportError:
        raise DTypeUnavailable(
            f"{word}: NumPy has this type only with the package ml_dtypes (pip install ml_dtypes); "
            "Tensor.raw() gives its bits as integers"
        ) from None
    return np.dtype(getattr(ml_dtypes, word))


@lru_cache(maxsize=None)
def raw_dtype(word: str) -> np.dtype[Any]:
    """The unsigned integer of the same size."""
    return np.dtype(f"u{size_of(word)}")


def word_of(dtype: Any) -> str:
    """The word for a NumPy dtype; its own name where the protocol has none."""
    return np.dtype(dtype).name
