# SPDX-License-Identifier: Apache-2.0
"""The device of adapters that run on torch's current GPU (CUDA or ROCm)."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ..checks import Refuse


class OnDevice:
    def open(self, options: Mapping[str, str]) -> None:
        if not torch.cuda.is_available():
            raise Refuse("torch sees no GPU")

    @property
    def device_name(self) -> str:
        return torch.cuda.get_device_name()
