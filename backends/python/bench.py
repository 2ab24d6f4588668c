# SPDX-License-Identifier: Apache-2.0
"""What the bridge costs a call beyond the callable itself.

    bench.py SIZE_KIB [CALLS]

Plays the parent: starts the worker over a socket and a memory file, and times forward calls of a
callable that returns a ready array. Prints JSON in milliseconds: median and 95th percentile of the
wall clock, and the processor time of both processes, which a busy machine disturbs less. Writing the
image and reading it back are counted, as the parent does both for each call.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
CALLABLE = """
from attest_backend import backend
import time
ready = None
spent = open("spent", "w")
@backend(name="ready", features=["decoder-causal", "kv-strides", "token-strides"])
def ready_made(problem, tensors):
    global ready
    start = time.perf_counter()
    tensors.query, tensors.key_cache, tensors.value_cache
    if ready is None:
        ready = tensors.out.copy()
    spent.write(f"{time.perf_counter() - start}\\n")
    return ready
"""


def call_of(kib: int) -> tuple[dict, int]:
    """A decode step whose tensors together have about `kib` KiB."""
    heads, dim, block = 8, 64, 16
    row = heads * dim * 4
    tokens = 8
    blocks = max(2, (kib * 1024 - 2 * tokens * row) // (2 * block * row))
    length = (blocks - 1) * block
    float32 = {"code": 2, "bits": 32, "lanes": 1}
    problem = dict(
        struct_size=152, attention_type=0, causality=0, flags=0, query_dtype=float32,
        cache_dtype=float32, output_dtype=float32, kv_scale_kind=0, num_q_heads=heads,
        num_kv_heads=heads, head_dim_qk=dim, head_dim_v=dim, scale="0x1p-3", softcap="0x0p+0",
        window_left=0, window_right=0, local_block_size=0, local_block_lookback=0, kv_layout=0,
        block_size=block, custom_mask_kind=0, reserved0=0, num_requests=1,
        num_actual_tokens=tokens, max_query_len=tokens, max_seq_len=length, num_blocks=blocks,
        block_table_width=blocks,
    )  # fmt: skip
    shapes = {
        "query": ("float32", [tokens, heads, dim]),
        "key_cache": ("float32", [blocks, block, heads, dim]),
        "value_cache": ("float32", [blocks, block, heads, dim]),
        "query_start_loc": ("int32", [2]),
        "seq_lens": ("int32", [1]),
        "block_table": ("int32", [1, blocks]),
        "out": ("float32", [tokens, heads, dim]),
    }
    tensors, offset = [], 0
    for name, (dtype, shape) in shapes.items():
        strides, step = [], 1
        for size in reversed(shape):
            strides.insert(0, step)
            step *= size
        tensors.append(
            {"name": name, "dtype": dtype, "shape": shape, "strides": strides, "offset": offset}
        )
        offset += -(-step * 4 // 256) * 256
    return {"problem": problem, "image_bytes": offset, "tensors": tensors}, length


def image_of(request: dict, length: int) -> bytes:
    image = bytearray(request["image_bytes"])
    places = {tensor["name"]: tensor for tensor in request["tensors"]}

    def put(name: str, values: list[int]) -> None:
        data = b"".join(value.to_bytes(4, "little") for value in values)
        image[places[name]["offset"] : places[name]["offset"] + len(data)] = data

    put("query_start_loc", [0, request["problem"]["num_actual_tokens"]])
    put("seq_lens", [length])
    put("block_table", list(range(1, request["problem"]["num_blocks"])) + [0])
    return bytes(image)


class Parent:
    def __init__(self, room: str) -> None:
        Path(room, "ready.py").write_text(CALLABLE)
        self.memory = os.memfd_create("image")
        ours, theirs = socket.socketpair()

        def arrange() -> None:
            sock, memory = os.dup(theirs.fileno()), os.dup(self.memory)
            sock, memory = os.dup2(sock, 20), os.dup2(memory, 21)
            os.dup2(sock, 3)
            os.dup2(memory, 4)

        self.child = subprocess.Popen(
            [sys.executable, "-u", str(HERE), "file", str(Path(room, "ready.py")), "ready_made"],
            cwd=room, preexec_fn=arrange, close_fds=False, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self.socket = ours

    def ask(self, request: dict) -> dict:
        body = json.dumps(request).encode()
        self.socket.sendall(len(body).to_bytes(4, "little") + body)
        size = int.from_bytes(self.socket.recv(4, socket.MSG_WAITALL), "little")
        return json.loads(self.socket.recv(size, socket.MSG_WAITALL))


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    kib = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    calls = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    request, length = call_of(kib)
    image = image_of(request, length)
    with tempfile.TemporaryDirectory() as room:
        parent = Parent(room)
        hello = {"seq": "0", "op": "hello", "protocol": 1, "library": "", "selector": ""}
        answer = parent.ask({**hello, "options": "threads=1"})
        assert answer["status"] == "ok", answer
        times = []
        both = (os.getpid(), parent.child.pid)
        busy = -sum(map(processor_seconds, both))
        for number in range(calls):
            start = time.perf_counter()
            os.pwrite(parent.memory, image, 0)
            supported = parent.ask({"seq": "s", "op": "supports", "problem": request["problem"]})
            answer = parent.ask({"seq": str(number), "op": "forward", **request})
            os.pread(parent.memory, len(image), 0)
            times.append(time.perf_counter() - start)
            assert supported["status"] == answer["status"] == "ok", (supported, answer)
        busy += sum(map(processor_seconds, both))
        parent.ask({"seq": "b", "op": "bye"})
        parent.child.wait()
        spent = [float(line) for line in Path(room, "spent").read_text().split()]
    beyond = sorted(1e3 * (whole - own) for whole, own in zip(times[5:], spent[5:]))
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    print(json.dumps({
        "image_kib": len(image) // 1024,
        "calls": len(beyond),
        "processor_ms": round(1e3 * (busy - sum(spent)) / calls, 3),
        "median_ms": round(statistics.median(beyond), 3),
        "percentile_95_ms": round(beyond[int(0.95 * len(beyond))], 3),
        "machine": f"{cpu[0].split(':')[1].strip() if cpu else platform.machine()}, {os.cpu_count()} cores",
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "date": date.today().isoformat(),
    }, indent=2))  # fmt: skip


if __name__ == "__main__":
    main()
