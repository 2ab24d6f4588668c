# SPDX-License-Identifier: Apache-2.0
"""What adapters of paged GPU kernels share: the call's tensors on the device, whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..backend import Backend
from ..checks import Refuse
from ..tensors import Tensors


class PagedGpu(Backend):
    """The kernel reads the block table itself: nothing is gathered."""

    arrays = "torch"

    def open(self, options: Mapping[str, str]) -> None:
        if not torch.cuda.is_available():
            raise Refuse("torch sees no GPU")

    @property
    def device_name(self) -> str:
        return torch.cuda.get_device_name()


def on_device(tensors: Tensors, *names: str) -> list[Any]:
    """Contiguous copies; what is absent stays None. Dead entries of a block table may hold anything,
    and a kernel may prefetch them: they are the caller's to keep in range."""
    found = [getattr(tensors, name) for name in names]
    return [None if tensor is None else tensor.contiguous().cuda() for tensor in found]
