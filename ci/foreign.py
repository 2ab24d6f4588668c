#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What runs of libraries that others wrote say, and whether each of their failures is explained.

    foreign.py check RUN DEVIATIONS      exit 1 if a failure matches no entry, or an entry no failure
    foreign.py report ATTEST DEVIATIONS RUN...    writes summary.json and tables.md beside DEVIATIONS
    foreign.py add ATTEST DEVIATIONS RUN...       adds runs to them; one that stands there already is an error
    foreign.py pictures ATTEST DEVIATIONS LIBRARY=PYTHON...    writes pictures.md: the smallest case of each entry
                                         replayed; LIBRARY is how the adapter begins: ort, jax, mlx, torch

RUN is a directory of `attest certify --out`. DEVIATIONS is a JSON list of what is known: the backend's
name, globs of case ids, what the library does, the smallest case, and where that is written down.
"""

from __future__ import annotations

import collections
import fnmatch
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

LENGTHS = (16, 64, 256, 1024, 4096, 16384, 65536, 1 << 62)


def read_run(path: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if not (Path(path) / "certificate.json").is_file():
        raise SystemExit(f"{path}: no certificate.json, so no run of attest certify that came to its end")
    certificate = json.loads((Path(path) / "certificate.json").read_text())
    records = [json.loads(line) for line in (Path(path) / "records.jsonl").read_text().splitlines()]
    return certificate, [record for record in records if "verdict" in record]


def entry_for(name: str, record: dict[str, Any], deviations: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The entry that explains this failure: backend, case, verdict and reason must all fit."""
    for entry in deviations:
        if (
            any(fnmatch.fnmatchcase(name, glob) for glob in entry["backends"])
            and any(fnmatch.fnmatchcase(record["case"], glob) for glob in entry["cases"])
            and record["verdict"] in entry["verdicts"]
            and entry["reason"] in record["reason"]
        ):
            return entry
    return None


def check(run: str, deviations: list[dict[str, Any]]) -> int:
    certificate, records = read_run(run)
    name = certificate["backend"]["claims"]["name"]
    met: set[str] = set()
    wrong = 0
    for record in records:
        if record["verdict"] == "pass":
            continue
        entry = entry_for(name, record, deviations)
        if entry is None:
            print(f"{name}: unexplained {record['verdict']}: {record['case']}: {record['reason']}")
            wrong += 1
        else:
            met.add(entry["id"])
    for entry in deviations:
        if name in entry["always"] and entry["id"] not in met:
            print(f"{name}: {entry['id']}: no case shows it any more")
            wrong += 1
    passed = sum(record["verdict"] == "pass" for record in records)
    print(f"{name}: {len(records)} cases, {passed} pass, {len(records) - passed} explained by: "
          f"{', '.join(sorted(met)) or 'nothing'}")  # fmt: skip
    return int(wrong > 0)


def bucket_of(lengths: list[int]) -> str:
    longest = max(lengths, default=0)
    low = 0
    for high in LENGTHS:
        if longest <= high:
            return f"{low + 1}-{high}" if high < 1 << 62 else f"above {low}"
        low = high
    return "0"


def scope_of(run: dict[str, Any]) -> str:
    """Which of the cases inside the claims were asked for."""
    parts = [f"shard {run['shard']}"] if run["shard"] != "1/1" else []
    parts += [f"filter {run['filter']}"] if run["filter"] else []
    parts += [f"profiles {', '.join(run['profiles_requested'])}"] if run["profiles_requested"] else []
    return "; ".join(parts) or "all"


def summarise(runs: list[str], cases: dict[str, Any], deviations: list[dict[str, Any]]) -> Any:
    total: collections.Counter[str] = collections.Counter()
    lengths: collections.Counter[str] = collections.Counter()
    dtypes: collections.Counter[str] = collections.Counter()
    libraries = []
    for run in runs:
        certificate, records = read_run(run)
        claims = certificate["backend"]["claims"]
        verdicts = collections.Counter(record["verdict"] for record in records)
        known = collections.Counter()
        rows = suspects = 0
        for record in records:
            suspects += record.get("note", "") == "suspect"
            if record["verdict"] != "pass":
                entry = entry_for(claims["name"], record, deviations)
                known[entry["id"] if entry else "unexplained"] += 1
                continue
            rows += record["rows_judged"]
            problem = cases[record["case"]]["problem"]
            lengths[bucket_of(problem.get("seq_lens", []))] += record["rows_judged"]
            dtypes[problem.get("query_dtype", "bfloat16")] += record["rows_judged"]
        total.update(cases=len(records), rows=rows, passed=verdicts["pass"], suspects=suspects)
        total["unexplained"] += known["unexplained"]
        libraries.append(
            {
                "backend": claims["name"],
                "version": claims["version"].split(";")[0],
                "arithmetic": certificate["run"]["arithmetic"],
                "features": claims["features"],
                "date": certificate["run"]["date"],
                "host": certificate["run"]["hosts"],
                "tier": certificate["run"]["tier"],
                "scope": scope_of(certificate["run"]),
                "verdict": certificate["result"]["headline"],
                "cases": len(records),
                "verdicts": dict(verdicts),
                "suspect": suspects,
                "deviations": dict(known),
                "rows_judged_and_right": rows,
                "profiles": {
                    name: verdict
                    for name, verdict in certificate["result"]["profiles"].items()
                    if verdict != "not claimed"
                },
            }
        )
    return {"totals": dict(total), "rows_by_longest_request": dict(lengths),
            "rows_by_query_dtype": dict(dtypes), "libraries": libraries}  # fmt: skip


def tables(summary: Any, deviations: list[dict[str, Any]]) -> str:
    lines = ["| backend | version | asked for | verdict | cases | pass | deviations | rows right |",
             "|---|---|---|---|---:|---:|---|---:|"]
    for one in summary["libraries"]:
        known = ", ".join(f"{key} ({count})" for key, count in sorted(one["deviations"].items())) or "none"
        lines.append(
            f"| {one['backend']} | {one['version']} | {one['scope']} | {one['verdict']} | {one['cases']:,} | {one['verdicts'].get('pass', 0):,} "
            f"| {known} | {one['rows_judged_and_right']:,} |"
        )
    totals = summary["totals"]
    lines += ["", f"{totals['cases']:,} cases; {totals['rows']:,} rows of correct foreign output judged; "
              f"{totals['suspects']} passes noted as suspect; {totals['unexplained']} unexplained failures."]  # fmt: skip
    for title, key in (("longest request of the case", "rows_by_longest_request"), ("query dtype", "rows_by_query_dtype")):
        lines += ["", f"| {title} | rows |", "|---|---:|"]
        order = sorted(summary[key].items(), key=lambda item: int("".join(c for c in item[0].split("-")[0] if c.isdigit()) or 0) if "dtype" not in key else 0)
        lines += [f"| {name} | {rows:,} |" for name, rows in order if rows]
    return "\n".join(lines) + "\n"


def sum_of(old: Any, new: Any) -> Any:
    """Two summaries as one."""
    known = {(one["backend"], one["version"], one["scope"]) for one in old["libraries"]}
    for one in new["libraries"]:
        if (one["backend"], one["version"], one["scope"]) in known:
            raise SystemExit(f"{one['backend']} ({one['scope']}) stands in summary.json already")
    counts = {
        key: dict(collections.Counter(old[key]) + collections.Counter(new[key]))
        for key in ("rows_by_longest_request", "rows_by_query_dtype")
    }
    totals = {key: old["totals"][key] + new["totals"][key] for key in new["totals"]}
    return {"totals": totals, **counts, "libraries": old["libraries"] + new["libraries"]}


def report(attest: str, path: str, runs: list[str], more: bool = False) -> int:
    deviations = json.loads(Path(path).read_text())
    listed = subprocess.run([attest, "list", "cases", "--json"], capture_output=True, check=True).stdout
    cases = {case["id"]: case for case in json.loads(listed)}
    summary = summarise(runs, cases, deviations)
    room = Path(path).parent
    if more:
        summary = sum_of(json.loads((room / "summary.json").read_text()), summary)
    (room / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    (room / "tables.md").write_text(tables(summary, deviations))
    print((room / "tables.md").read_text(), end="")
    return int(summary["totals"]["unexplained"] > 0)


def pictures(attest: str, path: str, pythons: dict[str, str]) -> int:
    text = [
        "# What the deviations look like",
        "Written by `ci/foreign.py pictures`: the smallest case of each entry of `deviations.json`, replayed.",
    ]
    for entry in json.loads(Path(path).read_text()):
        _, command = entry["smallest"].split("attest ", 1)
        words = shlex.split(command)
        library = words[-1].removeprefix("python:attest_backend.adapters.").split("_")[0]
        if library not in pythons:
            raise SystemExit(f"{entry['id']}: no interpreter given for {library}: {library}=PYTHON")
        done = subprocess.run([attest, *words, "--python", pythons[library]], capture_output=True, text=True, check=False)
        if done.returncode != 1:
            raise SystemExit(f"{entry['id']}: {entry['smallest']}: exit code {done.returncode}, not 1\n{done.stderr}")
        shown = "\n".join(line[:160] for line in done.stdout.rstrip().splitlines())
        text += [f"## {entry['id']}", f"{entry['what']} Against {entry['against']}. Source: {entry['source']}.",
                 f"```\n$ {entry['smallest']}\n{shown}\n```"]  # fmt: skip
    (Path(path).parent / "pictures.md").write_text("\n\n".join(text) + "\n")
    return 0


def main() -> int:
    if len(sys.argv) >= 4 and sys.argv[1] == "check":
        return check(sys.argv[2], json.loads(Path(sys.argv[3]).read_text()))
    if len(sys.argv) >= 5 and sys.argv[1] in ("report", "add"):
        return report(sys.argv[2], sys.argv[3], sys.argv[4:], more=sys.argv[1] == "add")
    if len(sys.argv) >= 5 and sys.argv[1] == "pictures" and all("=" in word for word in sys.argv[4:]):
        return pictures(sys.argv[2], sys.argv[3], dict(word.split("=", 1) for word in sys.argv[4:]))
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
