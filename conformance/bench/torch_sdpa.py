#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A backend beside torch.nn.functional.scaled_dot_product_attention, on the CPU or on a CUDA device.

usage: torch_sdpa.py ATTEST [--backend NAME] [--device cpu|cuda] [--threads N] [--rounds N] [--out FILE]

ATTEST is the attest program of a release build. Both compute the same shapes in the same type (on the CPU with the same
number of threads); rounds of one alternate with rounds of the other, so that a noisy machine disturbs both. A ratio is
torch's median time over the backend's: above 1 the backend is faster. torch gets its own layout (heads outermost,
contiguous), the backend pages of 16 keys. On a device both are called ten times before each wait, on four sets of
tensors in turn. Prints JSON; without torch the ratios are null, and the exit code is 0 all the same.
"""
import argparse
import itertools
import json
import statistics
import subprocess
import time

CALLS_OF_A_RUN = {"cpu": 1, "cuda": 10}
TENSOR_SETS = {"cpu": 1, "cuda": 4}
REPETITIONS = {"cpu": 1, "cuda": 20}  # of a round


def backend_round(options):
    """Seconds of each call of one `attest bench backend`, and what it says of the machine."""
    command = [options.attest, "bench", "backend", "--backend", options.backend, "--threads", str(options.threads),
               "--repetitions", str(REPETITIONS[options.device]), "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def torch_run(torch, call, device):
    """A closure that computes one shape as often as a run does, and waits for it."""
    generator = torch.Generator(device).manual_seed(1)

    def normal(heads, length):
        shape = (call["requests"], heads, length, call["head_dim"])
        return torch.randn(shape, generator=generator, dtype=getattr(torch, call["dtype"]), device=device)

    sets = itertools.cycle([(normal(call["heads"], call["q_len"]), normal(call["kv_heads"], call["seq_len"]),
                             normal(call["kv_heads"], call["seq_len"])) for _ in range(TENSOR_SETS[device])])
    grouped = call["heads"] != call["kv_heads"]
    attention = torch.nn.functional.scaled_dot_product_attention

    def run():
        for _ in range(CALLS_OF_A_RUN[device]):
            attention(*next(sets), is_causal=call["causal"], enable_gqa=grouped)
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def torch_seconds(run, device):
    """Median of as many runs as a quarter of a second holds, three (20 on a device) at least, after one more."""
    run()
    seconds = []
    end = time.perf_counter() + 0.25
    while len(seconds) < max(3, REPETITIONS[device]) or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        seconds.append((time.perf_counter() - start) / CALLS_OF_A_RUN[device])
    return statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("attest")
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
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
    for _ in range(options.rounds):
        report = backend_round(options)
        for call in report["calls"]:
            name = call["name"]
            ours.setdefault(name, []).append(call["median_s"])
            if torch is not None:
                run = torch_run(torch, call, options.device)
                theirs.setdefault(name, []).append(torch_seconds(run, options.device))

    result = {
        "machine": report["machine"],
        **{key: report[key] for key in ("device", "threads") if key in report},
        "backend": options.backend,
        "rounds": options.rounds,
        "torch": torch.__version__ if torch else "torch not installed",
        "calls": [],
    }
    for call in report["calls"]:
        name = call["name"]
        mine = statistics.median(ours[name])
        other = statistics.median(theirs[name]) if torch else None
        shape = {key: value for key, value in call.items() if key not in ("median_s", "best_s")}
        result["calls"].append({**shape, f"{options.backend}_s": mine, "torch_s": other,
                                f"torch_over_{options.backend}": other / mine if torch else None})
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
