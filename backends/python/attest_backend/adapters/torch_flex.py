# SPDX-License-Identifier: Apache-2.0
"""torch.nn.attention.flex_attention on the CPU: masks are its mask_mod, scores its score_mod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.attention import flex_attention as flex
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from ..claims import Claims
from ..problem import Problem
from ..requests import Request
from ..tensors import Tensors
from .per_request import EMULATED, PerRequest, masks_of, one_dtype_each
from .torch_sdpa import heads_first


def mask_mod_of(problem: Problem, tensors: Tensors, r: Request) -> Any:
    """The predicate of one request; None where every row sees every key."""
    left, right, block = problem.window_left, problem.window_right, problem.local_block_size
    mask = masks_of(problem, tensors, r)
    boolean = mask if mask is not None and mask.dtype == torch.bool else None
    if not (r.causal or left or right or block or boolean is not None):
        return None
    context, causal, back = r.context_len, r.causal, problem.local_block_lookback

    def mask_mod(batch: Any, head: Any, row: Any, key: Any) -> Any:
        distance = row + context - key
        seen = distance == distance
        if causal:
            seen = seen & (distance >= 0)
        if left:
            seen = seen & (distance < left)
        if right:
            seen = seen & (-distance < right)
        if block:
            seen = seen & ((row + context) // block - key // block <= back)
        if boolean is not None:
            seen = seen & boolean[head, row, key]
        return seen

    return mask_mod


def score_mod_of(problem: Problem, tensors: Tensors, r: Request) -> Any:
    slopes = tensors.alibi_slopes
    mask = masks_of(problem, tensors, r)
    bias = mask if mask is not None and mask.dtype != torch.bool else None
    if not problem.softcap and slopes is None and bias is None:
        return None
    context = r.context_len
    # A tensor: of a captured float that differs from the call before, Dynamo makes a SymFloat, which
    # torch 2.15 rejects.
    cap = torch.tensor(problem.softcap, device=r.query.device) if problem.softcap else None

    def score_mod(score: Any, batch: Any, head: Any, row: Any, key: Any) -> Any:
        if cap is not None:
            score = cap * torch.tanh(score / cap)
        if slopes is not None:
            score = score - slopes[head] * (row + context - key).abs()
        if bias is not None:
            score = score + bias[head, row, key]
        return score

    return score_mod


class Flex(PerRequest):
    """Eager."""

    arrays = "torch"
    library = torch
    call: Any = staticmethod(flex_attention)
    how = "eager"
    offers_lse = True

    def open(self, options: Mapping[str, str]) -> None:
        torch.set_num_threads(int(options.get("threads", "1")))

    def claims(self) -> Claims:
        return Claims(
            name=f"torch-flex-{self.how}-{self.dtype}",
            version=f"torch {torch.__version__}; {EMULATED}",
            vendor="PyTorch",
            features=[
                "decoder-causal", "decoder-non-causal", "per-request-causality", "encoder-only",
                "encoder-decoder", "window-causal", "window-symmetric", "window-asymmetric",
                "softcap", "alibi", "boolean-mask", "additive-mask", "local-blocks",
                "local-lookback", "unequal-head-dims", "kv-strides", "token-strides",
                "page-aliasing", "deterministic", *(["lse"] if self.offers_lse else []),
            ],
            dtypes=[self.dtype],
            head_dims=[(1, 576)],
            overrides=self.overrides(),
        )  # fmt: skip

    def overrides(self) -> dict[str, float]:
        # Eager, 16 bit: weights are divided by their sum, stored in the query's type and only then
        # multiplied with the values (torch/_higher_order_ops/flex_attention.py, math_attention).
        return {} if self.dtype == "float32" else {"round_p": 2}

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        mask_mod = mask_mod_of(problem, tensors, r)
        block_mask = None
        if mask_mod is not None:
            block_mask = create_block_mask(
                mask_mod, None, problem.num_q_heads, r.q_len, r.seq_len, device="cpu"
            )
        answer = self.call(
            heads_first(r.query),
            heads_first(r.key),
            heads_first(r.value),
            score_mod=score_mod_of(problem, tensors, r),
            block_mask=block_mask,
            scale=problem.scale,
            enable_gqa=problem.group > 1,
            return_lse=self.offers_lse,
        )
        if not self.offers_lse:
            return answer[0].transpose(0, 1), None
        out, lse = answer
        return out[0].transpose(0, 1), lse[0].transpose(0, 1)


class Direct(Flex):
    """Eager without Dynamo: torch's own switch for debugging, on the same arithmetic as `Flex`."""

    how = "direct"

    def open(self, options: Mapping[str, str]) -> None:
        super().open(options)
        flex._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = True


class Compiled(Flex):
    """Through torch.compile, which needs a C++ compiler. Each shape is compiled anew.

    On the CPU it knows no return_lse ("not supported yet", torch 2.15.0).
    """

    how = "compiled"
    offers_lse = False
    call: Any = staticmethod(torch.compile(flex_attention, dynamic=False))

    def overrides(self) -> dict[str, float]:
        return {}


Flex_float32, Flex_float16, Flex_bfloat16 = one_dtype_each(Flex)
Direct_float32, Direct_float16, Direct_bfloat16 = one_dtype_each(Direct)
Compiled_float32, Compiled_float16, Compiled_bfloat16 = one_dtype_each(Compiled)
