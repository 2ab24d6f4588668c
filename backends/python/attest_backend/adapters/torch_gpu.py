# SPDX-License-Identifier: Apache-2.0
"""torch's attention on a CUDA or ROCm device: each fused backend forced, and FlexAttention compiled.

NOT RUN HERE: written against the interface that torch documents.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.attention import SDPBackend
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from ..problem import Problem
from ..requests import Request
from ..tensors import Tensors
from .gpu_device import OnDevice
from .per_request import masks_of, one_dtype_each
from .torch_flex import Flex, mask_mod_of, score_mod_of
from .torch_sdpa import Sdpa


def to_device(r: Request) -> Request:
    """Moved to the device before the call; what comes back is moved by the bridge."""
    return Request(
        r.index, r.rows, r.q_len, r.seq_len, r.causal, r.query.cuda(), r.key.cuda(), r.value.cuda()
    )


class GpuSdpa(OnDevice, Sdpa):
    def bias_of(self, problem: Problem, tensors: Tensors, r: Request) -> Any:
        mask = masks_of(problem, tensors, r)
        return mask[None].cuda() if mask is not None else super().bias_of(problem, tensors, r)

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        out, lse = super().attend(problem, tensors, to_device(r))
        return out.cpu(), lse


class GpuFlash(GpuSdpa):
    kernel = SDPBackend.FLASH_ATTENTION
    more_features = ()


class GpuEfficient(GpuSdpa):
    kernel = SDPBackend.EFFICIENT_ATTENTION


class GpuCudnn(GpuSdpa):
    kernel = SDPBackend.CUDNN_ATTENTION


class GpuMath(GpuSdpa):
    kernel = SDPBackend.MATH


class GpuFlex(OnDevice, Flex):
    how = "cuda"
    call: Any = staticmethod(torch.compile(flex_attention))

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        r = to_device(r)
        mask_mod, block_mask = mask_mod_of(problem, tensors, r), None
        if mask_mod is not None:
            block_mask = create_block_mask(
                mask_mod, None, problem.num_q_heads, r.q_len, r.seq_len, device="cuda"
            )
        out, lse = self.call(
            r.query.transpose(0, 1)[None],
            r.key.transpose(0, 1)[None],
            r.value.transpose(0, 1)[None],
            score_mod=score_mod_of(problem, tensors, r),
            block_mask=block_mask,
            scale=problem.scale,
            enable_gqa=problem.group > 1,
            return_lse=True,
        )
        return out[0].transpose(0, 1).cpu(), lse[0].transpose(0, 1).cpu()


GpuFlash_float32, GpuFlash_float16, GpuFlash_bfloat16 = one_dtype_each(GpuFlash)
GpuEfficient_float32, GpuEfficient_float16, GpuEfficient_bfloat16 = one_dtype_each(GpuEfficient)
GpuCudnn_float32, GpuCudnn_float16, GpuCudnn_bfloat16 = one_dtype_each(GpuCudnn)
GpuMath_float32, GpuMath_float16, GpuMath_bfloat16 = one_dtype_each(GpuMath)
GpuFlex_float32, GpuFlex_float16, GpuFlex_bfloat16 = one_dtype_each(GpuFlex)
