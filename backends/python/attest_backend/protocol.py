# SPDX-License-Identifier: Apache-2.0
"""Frames, the image, and the end of a conversation: spec/abi/worker.md without attention."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import select
import signal
import socket
import threading
from typing import Any

VERSION = 1
_SOCKET_FD, _IMAGE_FD = 3, 4
_MOST_BYTES = 16 << 20
_PR_SET_PDEATHSIG = 1


class Conversation:
    """The socket at fd 3 and the image at fd 4."""

    def __init__(self) -> None:
        self._socket = socket.socket(fileno=_SOCKET_FD)
        self._image: mmap.mmap | None = None
        self._said_bye = False

    def watch_parent(self) -> None:
        """Kills this process group when the parent hangs up. The kernel would kill it as soon as the
        thread that started it ends, which is not the end of the session."""
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)
        threading.Thread(target=self._await_hangup, daemon=True).start()

    def _await_hangup(self) -> None:
        poll = select.poll()
        poll.register(os.dup(_SOCKET_FD), select.POLLRDHUP)
        poll.poll()
        if self._said_bye:
            return
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(0)

    def receive(self) -> Any | None:
        """The next request; None where there will be none."""
        header = self._exactly(4)
        if header is None:
            return None
        length = int.from_bytes(header, "little")
        body = self._exactly(length) if length <= _MOST_BYTES else None
        return None if body is None else json.loads(body)

    def _exactly(self, size: int) -> bytes | None:
        pieces = []
        while size > 0:
            piece = self._socket.recv(size)
            if not piece:
                return None
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def send(self, answer: dict[str, Any], last: bool = False) -> None:
        body = json.dumps(answer, allow_nan=False).encode()
        self._said_bye = last
        self._socket.sendall(len(body).to_bytes(4, "little") + body)

    def image(self, size: int) -> mmap.mmap:
        """The image, mapped anew only when it has grown."""
        if self._image is None or len(self._image) < size:
            self._image = mmap.mmap(_IMAGE_FD, size, flags=mmap.MAP_SHARED)
        return self._image
