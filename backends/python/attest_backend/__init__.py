# SPDX-License-Identifier: Apache-2.0
"""A Python callable as an attention backend of attest. See backends/python/README.md."""

from .backend import Backend, backend
from .checks import Refuse
from .claims import Claims, Exclusion
from .dtypes import DTypeUnavailable
from .problem import Problem
from .requests import Request, requests
from .tensors import Tensor, Tensors

__all__ = [
    "Backend", "Claims", "DTypeUnavailable", "Exclusion", "Problem", "Refuse", "Request", "Tensor",
    "Tensors", "backend", "requests",
]  # fmt: skip
