# SPDX-License-Identifier: Apache-2.0
"""What an author writes: a class with claims and forward, or one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .claims import Claims
from .problem import Problem
from .tensors import Tensors


class Backend:
    """Derive from it, or write a class with the same methods. Only claims and forward are needed.

    An exception that escapes from a method ends the case as *error*, with its traceback in the
    record. ``Refuse("reason")`` is the exception that says no.
    """

    # What the members of Tensors are: "numpy", "torch", "jax", or "tensor" (which reads DLPack).
    arrays = "numpy"

    def open(self, options: Mapping[str, str]) -> None:
        """Once, before anything else. ``options["threads"]`` is how many threads to use."""

    def claims(self) -> Claims:
        raise NotImplementedError

    def supports(self, problem: Problem) -> None:
        """Raises Refuse for a problem inside the claims that is not supported all the same. Nonsense
        and what is not claimed are answered before this is asked."""

    def forward(self, problem: Problem, tensors: Tensors) -> Any:
        """Returns ``out`` [T, Hq, Dv] in ``problem.output_dtype``, or ``(out, lse)`` with lse
        [T, Hq] in float32 where ``problem.wants_lse``. T may be the rows of query, or
        ``num_actual_tokens``."""
        raise NotImplementedError

    # Optional, with the claims "write-kv" and "merge":
    #
    # def write_kv(self, problem, tensors): writes tensors.key_cache and value_cache in place
    # def merge(self, problem, parts): returns (out, lse); parts is a list of pairs (out, lse)


class _FunctionBackend(Backend):
    def __init__(self, function: Callable[..., Any], claims: Claims, arrays: str) -> None:
        self._function = function
        self._claims = claims
        self.arrays = arrays

    def claims(self) -> Claims:
        return self._claims

    def forward(self, problem: Problem, tensors: Tensors) -> Any:
        return self._function(problem, tensors)


def backend(arrays: str = "numpy", **claims: Any) -> Callable[[Callable[..., Any]], _FunctionBackend]:
    """Makes a backend of a function: ``@backend(name="mine", features=[...])``. The keywords are
    those of Claims."""
    return lambda function: _FunctionBackend(function, Claims(**claims), arrays)


def problems_of(candidate: object, offered: Sequence[str] = ("claims", "forward")) -> str:
    """What a backend lacks; empty if nothing."""
    missing = [name for name in offered if not callable(getattr(candidate, name, None))]
    return f"has no method {missing[0]}" if missing else ""
