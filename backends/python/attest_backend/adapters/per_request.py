# SPDX-License-Identifier: Apache-2.0
"""Adapters for libraries without pages or ragged batches: one library call for each request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..backend import Backend
from ..claims import Exclusion
from ..problem import Problem
from ..requests import Request, requests
from ..tensors import Tensors

EMULATED = "pages, ragged batches, and requests without keys are the adapter's"


def masks_of(problem: Problem, tensors: Tensors, r: Request) -> Any:
    """The custom mask of a request, [num_q_heads, q_len, seq_len]; None without one."""
    mask = tensors.custom_mask
    return None if mask is None else mask[r.index, :, : r.q_len, : r.seq_len]


def one_dtype_each(base: type[Backend]) -> tuple[type[Backend], ...]:
    """Three backends for a library that takes and gives one dtype: claims cannot say so of pairs."""
    return tuple(
        type(f"{base.__name__}_{dtype}", (base,), {"dtype": dtype, "__module__": base.__module__})
        for dtype in ("float32", "float16", "bfloat16")
    )


def causal_or_mask(why: str, features: Iterable[str]) -> list[Exclusion]:
    """Of a library whose causal flag stands in the place of a custom mask, of those claimed."""
    return [
        Exclusion(why, [kind, mask])
        for mask in ("boolean-mask", "additive-mask")
        if mask in features
        for kind in ("decoder-causal", "per-request-causality")
    ]


class PerRequest(Backend):
    """Subclasses give ``attend``: [q_len, Hq, Dv] of one request, and its lse [q_len, Hq] where asked
    for. Rows of a request without keys are 0, and minus infinity or the sink."""

    # What makes the results: numpy, torch.
    library: Any = np
    dtype = "float32"  # where there is one backend a dtype

    def forward(self, problem: Problem, tensors: Tensors) -> Any:
        like = tensors.out
        out = self.library.zeros(like.shape, dtype=like.dtype)
        lse = self.library.full(tuple(like.shape[:2]), -np.inf, dtype=self.library.float32)
        for r in requests(problem, tensors):
            if r.q_len == 0 or r.seq_len == 0:
                if tensors.sinks is not None:
                    lse[r.rows] = tensors.sinks
                continue
            rows, row_lse = self.attend(problem, tensors, r)
            if rows.dtype != out.dtype:  # an assignment would round
                raise TypeError(f"the library returned {rows.dtype}, wanted {out.dtype}")
            out[r.rows] = rows
            if problem.wants_lse:
                lse[r.rows] = row_lse
        return (out, lse) if problem.wants_lse else out

    def attend(self, problem: Problem, tensors: Tensors, r: Request) -> tuple[Any, Any]:
        raise NotImplementedError
