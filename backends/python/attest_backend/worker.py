# SPDX-License-Identifier: Apache-2.0
"""Answers requests with the author's backend."""

from __future__ import annotations

import hashlib
import platform
import sys
from typing import Any

import numpy as np

from .arguments import check_arguments, check_layout
from .checks import Invalid, Refuse, check_claims, check_problem
from .claims import Claims
from .dtypes import DTypeUnavailable, numpy_dtype
from .load import CannotLoad, describe, load
from .outputs import BadReturn, store_result
from .problem import Problem
from .protocol import VERSION, Conversation
from .tensors import Tensors

ARRAYS = ("numpy", "torch", "jax", "tensor")
_MOST_TEXT = 4000
_RESERVED = frozenset(
    """graph_capture graph_update graph_replay graph_inspect graph_destroy
    copy_to_persistent""".split()
)


def failure(word: str, message: str) -> dict[str, Any]:
    return {"status": word, "message": message[:_MOST_TEXT] or word}


def options_of(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {key: value for key, _, value in pairs}


class Worker:
    def __init__(self, conversation: Conversation, kind: str, where: str, name: str) -> None:
        self._conversation = conversation
        self._target = (kind, where, name)
        self._backend: Any = None
        self._claims: dict[str, Any] = {}
        self._arrays = "numpy"

    def run(self) -> None:
        while True:
            request = self._conversation.receive()
            if request is None:
                return
            op = request.get("op")
            answer = {**self._answer(op, request), "seq": request.get("seq")}
            self._conversation.send(answer, last=op == "bye")
            if op == "bye":
                return

    def _answer(self, op: str, request: dict[str, Any]) -> dict[str, Any]:
        calls = {"forward": self._forward, "write_kv": self._write_kv, "merge": self._merge}
        try:
            if op == "hello":
                return self._hello(request)
            if op == "bye":
                return {"status": "ok"}
            if op in _RESERVED:
                return failure("refused", f"{op} is reserved and not offered")
            if self._backend is None:
                return failure("bad_request", f"{op} before hello")
            if op == "supports":
                return self._supports(Problem(request["problem"]))
            if op not in calls:
                return failure("bad_request", f"unknown op {op}")
            problem = Problem(request["problem"])
            image = self._conversation.image(request["image_bytes"])
            tensors = Tensors(request["tensors"], image, self._arrays)
            return calls[op](problem, tensors)
        except Refuse as refusal:
            return failure("refused", str(refusal) or "refused without a reason")
        except Invalid as contradiction:
            return failure("invalid_argument", str(contradiction))
        except MemoryError as error:
            return failure("out_of_memory", describe(error))
        except (BadReturn, DTypeUnavailable) as error:
            return failure("internal", str(error))
        except Exception as error:
            return failure("internal", describe(error))

    # ---- hello

    def _hello(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("protocol") != VERSION:
            return failure("bad_request", f"protocol: this worker speaks {VERSION}")
        kind, where, name = self._target
        try:
            backend = load(kind, where, name)
            if hasattr(backend, "open"):
                backend.open(options_of(request["options"]))
            claims = backend.claims()
        except CannotLoad as error:
            return failure("cannot_load", str(error))
        except Refuse as refusal:
            return failure("no_device", str(refusal))
        except Exception as error:
            return failure("cannot_load", f"{name}: {describe(error)}")
        wrong = self._take(backend, claims, name)
        if wrong:
            return failure("invalid_claims", f"{name}: {wrong}")
        self._backend = backend
        return {"status": "ok", "protocol": VERSION, "claims": self._claims}

    def _take(self, backend: Any, claims: Any, name: str) -> str:
        """Keeps the claims; what is wrong with them, or nothing."""
        if not isinstance(claims, Claims):
            return f"claims() returned {type(claims).__name__}, wanted Claims"
        try:
            self._claims = claims.to_json()
        except (ValueError, TypeError) as error:
            return str(error)
        self._arrays = getattr(backend, "arrays", "numpy")
        if self._arrays not in ARRAYS:
            return f"arrays is {self._arrays!r}, wanted one of {', '.join(ARRAYS)}"
        for method, feature in (("write_kv", "write-kv"), ("merge", "merge")):
            if callable(getattr(backend, method, None)) != (feature in self._claims["features"]):
                return f"claims {feature} and offers {method} do not go together"
        if self._arrays in ("numpy", "jax"):
            try:
                for which in ("query", "cache", "output"):
                    for word in self._claims[f"{which}_dtypes"]:
                        numpy_dtype(word)
            except (DTypeUnavailable, AttributeError) as error:
                return f"claims what its arrays cannot hold: {error}"
        self._claims["version"] = self._version(backend)
        return ""

    def _version(self, backend: Any) -> str:
        """The author's text, the interpreter, and the digest of the code that was loaded."""
        parts = [self._claims["version"]] if self._claims["version"] else []
        parts.append(f"python {platform.python_version()}, numpy {np.__version__}")
        module = sys.modules.get(getattr(type(backend), "__module__", ""), None)
        if hasattr(backend, "_function"):
            module = sys.modules.get(backend._function.__module__)
        source = getattr(module, "__file__", None)
        if source:
            with open(source, "rb") as file:
                parts.append(f"source sha256 {hashlib.sha256(file.read()).hexdigest()[:16]}")
        return "; ".join(parts)

    # ---- calls

    def _supports(self, problem: Problem) -> dict[str, Any]:
        check_problem(problem)
        check_claims(self._claims, problem)
        if hasattr(self._backend, "supports"):
            answer = self._backend.supports(problem)
            if answer is not None and answer is not True:
                raise BadReturn(f"supports returned {answer!r}; raise Refuse('reason') to say no")
        return {"status": "ok"}

    def _forward(self, problem: Problem, tensors: Tensors) -> dict[str, Any]:
        self._supports(problem)
        check_arguments(problem, tensors)
        check_layout(self._claims, problem, tensors)
        returned = self._backend.forward(problem, tensors)
        store_result(
            returned,
            tensors.all["out"],
            tensors.all["lse"] if problem.wants_lse else None,
            problem.num_actual_tokens,
        )
        return {"status": "ok"}

    def _write_kv(self, problem: Problem, tensors: Tensors) -> dict[str, Any]:
        if "write-kv" not in self._claims["features"]:
            raise Refuse("write_kv is not offered")
        self._backend.write_kv(problem, tensors)
        return {"status": "ok"}

    def _merge(self, problem: Problem, tensors: Tensors) -> dict[str, Any]:
        if "merge" not in self._claims["features"]:
            raise Refuse("merge is not offered")
        count = sum(name.startswith("part_out_") for name in tensors.all)
        parts = [
            (getattr(tensors, f"part_out_{i}"), getattr(tensors, f"part_lse_{i}"))
            for i in range(count)
        ]
        returned = self._backend.merge(problem, parts)
        out, lse = tensors.all["out"], tensors.all["lse"]
        store_result(returned, out, lse, problem.num_actual_tokens)
        return {"status": "ok"}


def serve(kind: str, where: str, name: str) -> None:
    conversation = Conversation()
    conversation.watch_parent()
    Worker(conversation, kind, where, name).run()
