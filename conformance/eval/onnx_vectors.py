#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The published test vectors of ONNX's operator Attention, as calls that attest judges.

usage: onnx_vectors.py ATTEST [--out DIRECTORY] [--json FILE]

Needs the package onnx, whose version decides what the vectors are. Each becomes a problem and NPY
files, and the published output Y is judged against attest's own expectation. A vector that
onnx_errata.json withdraws for this version is judged all the same and reported as *withdrawn*: it
fails nothing, and what passed with it earlier stays passed. Exit code 1 if a vector that is not
withdrawn lies outside its bound, or a withdrawn one does not.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case import node as cases
from onnx.backend.test.case.node import attention  # noqa: F401  (makes the vectors)

ERRATA = Path(__file__).parent / "onnx_errata.json"


class Inexpressible(Exception):
    """A vector about something that is no part of the spec; the text says what."""


@dataclass
class Call:
    """What `attest judge` takes."""

    problem: dict[str, Any]
    tensors: dict[str, np.ndarray]
    layout: str
    features: set[str] = field(default_factory=set)


def published() -> list[Any]:
    """The vectors of this package; importing the operator's module has made them."""
    return [
        case
        for case in cases._NodeTestCases
        if len(case.model.graph.node) == 1 and case.model.graph.node[0].op_type == "Attention"
    ]


def array_of(value: Any) -> np.ndarray:
    return value if isinstance(value, np.ndarray) else numpy_helper.to_array(value)


def heads_of(array: np.ndarray, count: int | None) -> tuple[int, int, int]:
    """Batch, length and heads of an input of either rank."""
    if array.ndim == 4:
        return array.shape[0], array.shape[2], array.shape[1]
    return array.shape[0], array.shape[1], int(count or 0)


def full_mask(mask: np.ndarray, batch: int, heads: int, rows: int, keys: int) -> np.ndarray:
    """Padded to all keys, as the operator says: false or minus infinity where it is too short."""
    hidden = False if mask.dtype == bool else -np.inf
    short = keys - mask.shape[-1]
    if short > 0:
        mask = np.pad(mask, [(0, 0)] * (mask.ndim - 1) + [(0, short)], constant_values=hidden)
    return np.broadcast_to(mask, (batch, heads, rows, keys))


def translate(case: Any) -> Call:
    node = case.model.graph.node[0]
    names = [name for name in node.input if name]  # an optional input that is left out has none
    given = dict(zip(names, (array_of(value) for value in case.data_sets[0][0])))
    slots = dict(zip(("Q", "K", "V", "mask", "past_key", "past_value", "nonpad"), node.input))
    value = {slot: given[name] for slot, name in slots.items() if name and name in given}
    attribute = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    query, key = value["Q"], value["K"]
    batch, rows, heads = heads_of(query, attribute.get("q_num_heads"))
    _, keys, kv_heads = heads_of(key, attribute.get("kv_num_heads"))
    past = value["past_key"].shape[2] if "past_key" in value else 0
    width = query.shape[-1] if query.ndim == 4 else query.shape[-1] // heads
    problem: dict[str, Any] = {
        "scale": float(np.float32(attribute.get("scale", 1 / np.sqrt(width)))),
        "causality": "non_causal",
    }
    tensors = {"query": query, "key": key, "value": value["V"]}
    layout = "bhsd"
    if query.ndim == 3:
        layout = "bsh"
        problem |= {"num_q_heads": heads, "num_kv_heads": kv_heads}
    for name in ("past_key", "past_value"):
        if name in value:
            tensors[name] = value[name]
    call = Call(problem, tensors, layout)
    if attribute.get("softcap"):
        problem["softcap"] = float(attribute["softcap"])
        call.features.add("softcap")
    if "nonpad" in value:
        tensors["seq_lens"] = value["nonpad"].astype(np.int32)
    mask = value.get("mask")
    if mask is not None:
        call.features.add("mask")
        mask = full_mask(mask, batch, heads, rows, past + keys)
    windows = [attribute.get(f"{side}_window_size", -1) for side in ("left", "right")]
    aligned = "nonpad" in value or keys == rows
    if attribute.get("is_causal"):
        call.features.add("mask")
        if aligned:
            problem["causality"] = "causal"
        else:
            seen = np.arange(past + keys) <= np.arange(rows)[:, None] + past
            mask = seen if mask is None else combined(mask, seen)
    if aligned:
        for side, size in zip(("left", "right"), windows):
            problem[f"window_{side}"] = int(size) + 1 if size >= 0 else 0
    elif max(windows) >= 0:
        ahead = np.arange(past + keys) - np.arange(rows)[:, None] - past
        left, right = (size if size >= 0 else past + keys + rows for size in windows)
        seen = (ahead >= -left) & (ahead <= right)
        mask = seen if mask is None else combined(mask, seen)
    if mask is not None:
        if mask.dtype not in (np.dtype(bool), np.dtype(np.float32), query.dtype):
            raise Inexpressible(f"a mask of {mask.dtype}")
        tensors["custom_mask"] = np.ascontiguousarray(np.broadcast_to(mask, (batch, heads, rows, past + keys)))
    return call


def combined(mask: np.ndarray, seen: np.ndarray) -> np.ndarray:
    if mask.dtype == bool:
        return mask & seen
    return np.where(seen, mask, np.array(-np.inf, mask.dtype))


def save(path: Path, array: np.ndarray) -> None:
    np.save(path, np.ascontiguousarray(array.view(np.uint16) if array.dtype.name == "bfloat16" else array))


def judge(attest: str, call: Call, output: np.ndarray, room: Path) -> tuple[int, str]:
    """Exit code and the line that says how close, or what is wrong."""
    (room / "in").mkdir(parents=True)
    (room / "problem.json").write_text(json.dumps(call.problem, indent=2) + "\n")
    for name, array in call.tensors.items():
        save(room / "in" / f"{name}.npy", array)
    save(room / "published.npy", output)
    done = subprocess.run(
        [attest, "judge", "--problem", str(room / "problem.json"), "--tensors", str(room / "in"),
         "--output", str(room / "published.npy"), "--layout", call.layout],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    text = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return done.returncode, next((line for line in text if line.startswith(("fail", "attest"))), "within its bound")


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


def erratum_for(name: str, call: Call, errata: list[dict[str, Any]]) -> str:
    here = number(onnx.__version__)
    for entry in errata:
        if not number(entry["from"]) <= here < number(entry["before"]):
            continue
        if entry["condition"] not in call.features:
            continue
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in entry["vectors"]):
            return str(entry["id"])
    return ""


def verdict_of(code: int, erratum: str, dtype: str) -> str:
    """*coarse*: the package computes its 16-bit outputs in 16 bit throughout, which no class admits."""
    if code == 2:
        return "unread"
    if code == 1 and not erratum and dtype in ("float16", "bfloat16"):
        return "coarse"
    if erratum:
        return "withdrawn" if code == 1 else "withdrawn-but-right"
    return "pass" if code == 0 else "fail"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("attest")
    parser.add_argument("--out", help="keep the calls in this directory")
    parser.add_argument("--json", help="also write the verdicts to this file")
    flags = parser.parse_args()
    errata = json.loads(ERRATA.read_text())["errata"]
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(flags.out or temporary)
        for case in published():
            entry = {"vector": case.name, "opset": case.model.opset_import[0].version}
            try:
                call = translate(case)
            except Inexpressible as reason:
                results.append({**entry, "verdict": "inexpressible", "text": str(reason)})
                continue
            output = array_of(case.data_sets[0][1][0])
            code, text = judge(flags.attest, call, output, root / case.name)
            erratum = erratum_for(case.name, call, errata)
            results.append({**entry, "verdict": verdict_of(code, erratum, output.dtype.name), "erratum": erratum, "text": text})
    counts: dict[str, int] = {}
    for result in results:
        counts[result["verdict"]] = counts.get(result["verdict"], 0) + 1
        if result["verdict"] != "pass":
            print(f"{result['verdict']}: {result['vector']}: {result['text']}")
    print(f"onnx {onnx.__version__}: " + ", ".join(f"{counts[key]} {key}" for key in sorted(counts)))
    if flags.json:
        report = {"onnx": onnx.__version__, "counts": counts, "vectors": results}
        Path(flags.json).write_text(json.dumps(report, indent=1) + "\n")
    return int(bool({"fail", "unread", "withdrawn-but-right"} & set(counts)))


if __name__ == "__main__":
    sys.exit(main())
