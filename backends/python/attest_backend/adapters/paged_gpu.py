# SPDX-License-Identifier: Apache-2.0
"""What adapters of paged GPU kernels share: the call's tensors on the device, whole."""

from __future__ import annotations

from typing import Any

from ..backend import Backend
from ..tensors import Tensors
from .gpu_device import OnDevice


class PagedGpu(OnDevice, Backend):
    """The kernel reads the block table itself: nothing is gathered."""

    arrays = "torch"


def on_device(tensors: Tensors, *names: str) -> list[Any]:
    """Contiguous copies; what is absent stays None. Dead entries of a block table may hold anything,
    and a kernel may prefetch them: they are the caller's to keep in range."""
    found = [getattr(tensors, name) for name in names]
    return [None if tensor is None else tensor.contiguous().cuda() for tensor in found]
