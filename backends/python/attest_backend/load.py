# SPDX-License-Identifier: Apache-2.0
"""Finds the backend that the user named, and says in one line what is wrong where it is not one."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from types import ModuleType
from typing import Any

from .backend import problems_of

_OWN = os.path.dirname(os.path.abspath(__file__))


class CannotLoad(Exception):
    """The text is for the user."""


def describe(error: BaseException) -> str:
    """The exception and its traceback in one line, without the frames of this package."""
    frames = [
        f"{os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}: {frame.line}"
        for frame in traceback.extract_tb(error.__traceback__)
        if os.path.dirname(os.path.abspath(frame.filename)) != _OWN
        and not frame.filename.startswith("<frozen")
    ]
    whole = traceback.TracebackException(type(error), error, None)
    whole.__notes__ = None  # type: ignore[attr-defined]  # JAX adds one, which would come last
    text = " ".join(list(whole.format_exception_only())[-1].split())
    return text + (f" [{' < '.join(reversed(frames[-8:]))}]" if frames else "")


def _from_file(path: str) -> ModuleType:
    name = os.path.splitext(os.path.basename(path))[0]
    sys.path.insert(1, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CannotLoad(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _module(kind: str, where: str) -> ModuleType:
    sys.path.insert(1, os.getcwd())
    try:
        return _from_file(where) if kind == "file" else importlib.import_module(where)
    except ModuleNotFoundError as error:
        if kind == "module" and error.name and (where + ".").startswith(error.name + "."):
            raise CannotLoad(f"no module named {error.name!r} for {sys.executable}") from None
        raise CannotLoad(f"importing {where}: {describe(error)}") from None
    except CannotLoad:
        raise
    except Exception as error:
        raise CannotLoad(f"importing {where}: {describe(error)}") from None


def load(kind: str, where: str, name: str) -> Any:
    """``kind`` is "file" or "module"; ``name`` is a class, an instance, or a function that was made a
    backend."""
    module = _module(kind, where)
    if not hasattr(module, name):
        public = [key for key in vars(module) if not key.startswith("_")]
        near = ", ".join(sorted(public)[:12])
        raise CannotLoad(f"{where} has no attribute {name!r}; it has: {near or 'none'}")
    found = getattr(module, name)
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            raise CannotLoad(f"{name}(): {describe(error)}") from None
    lacking = problems_of(found)
    if lacking:
        raise CannotLoad(f"{name} of {where} {lacking}: a backend has claims() and forward(problem, tensors)")
    return found
