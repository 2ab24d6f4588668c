#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The cpu backend beside torch.nn.functional.scaled_dot_product_attention on the CPU.

usage: torch_sdpa.py ATTEST [--threads N] [--rounds N] [--out FILE]

ATTEST is the attest program of a release build. Both compute the same shapes in float32 with the
same number of threads; rounds of one alternate with rounds of the other, so that a noisy machine
disturbs both. A ratio is torch's median time over the backend's: above 1 the backend is faster.
torch gets its own layout (heads outermost, contiguous), the backend pages of 16 keys. Prints JSON;
without torch the ratios are null, and the exit code is 0 all the same.
"""
import argparse
import json
import statistics
import subprocess
import time


def backend_round(attest, threads):
    """Seconds of each call of one `attest bench backend`, and what it says of the machine."""
    command = [attest, "bench", "backend", "--backend", "cpu", "--threads", str(threads),
               "--repetitions", "1", "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def torch_call(torch, call):
    """A closure that computes one shape."""
    shape = lambda length: (1, call["heads"], length, call["head_dim"])
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(shape(call["q_len"]), generator=generator)
    key, value = (torch.randn(shape(call["seq_len"]), generator=generator) for _ in range(2))
    attention = torch.nn.functional.scaled_dot_product_attention
    return lambda: attention(query, key, value, is_causal=call["causal"])


def torch_seconds(run):
    """Median of as many calls as a quarter of a second holds, three at least, after one more."""
    run()
    seconds = []
    end = time.perf_counter() + 0.25
    while len(seconds) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("attest")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out")
    options = parser.parse_args()
    try:
        import torch
        torch.set_num_threads(options.threads)
    except ImportError:
        torch = None

    ours, theirs = {}, {}
    runs = {}
    for _ in range(options.rounds):
        report = backend_round(options.attest, options.threads)
        for call in report["calls"]:
            name = call["name"]
            ours.setdefault(name, []).append(call["median_s"])
            if torch is None:
                continue
            if name not in runs:
                runs[name] = torch_call(torch, call)
            theirs.setdefault(name, []).append(torch_seconds(runs[name]))

    result = {
        "machine": report["machine"],
        "threads": options.threads,
        "rounds": options.rounds,
        "torch": torch.__version__ if torch else "torch not installed",
        "calls": [],
    }
    for call in report["calls"]:
        name = call["name"]
        mine = statistics.median(ours[name])
        other = statistics.median(theirs[name]) if torch else None
        shape = {key: call[key] for key in ("heads", "q_len", "seq_len", "head_dim", "causal")}
        result["calls"].append({"name": name, **shape, "cpu_s": mine, "torch_s": other,
                                "torch_over_cpu": other / mine if torch else None})
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
