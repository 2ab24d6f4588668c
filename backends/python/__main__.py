# SPDX-License-Identifier: Apache-2.0
"""The worker of a Python backend, as attest starts it:

    python3 THIS_DIRECTORY file|module WHERE NAME

Everything up to the import of attest_backend also runs in an interpreter that is too old for it, or
without NumPy, so that the answer to the first request can say so.
"""

import faulthandler
import json
import os
import struct
import sys

LEAST_PYTHON = (3, 9)
LEAST_NUMPY = (1, 22)


def numbers(text):
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def what_is_missing():
    """One line, or nothing."""
    if sys.version_info[:2] < LEAST_PYTHON:
        return "Python %d.%d is too old: %d.%d or newer is needed" % (sys.version_info[:2] + LEAST_PYTHON)
    try:
        import numpy
    except Exception as error:
        return "NumPy cannot be imported by %s: %s" % (sys.executable, error)
    if numbers(numpy.__version__) < LEAST_NUMPY:
        return "NumPy %s is too old: %d.%d or newer is needed" % ((numpy.__version__,) + LEAST_NUMPY)
    return ""


def turn_down(text):
    """Reads the first request and answers it with `text`."""
    length = struct.unpack("<I", os.read(3, 4))[0]
    request = b""
    while len(request) < length:
        request += os.read(3, length - len(request))
    answer = {"seq": json.loads(request.decode())["seq"], "status": "cannot_load", "message": text}
    body = json.dumps(answer).encode()
    os.write(3, struct.pack("<I", len(body)) + body)


def main():
    faulthandler.enable()
    if len(sys.argv) != 4:
        sys.exit("usage: python3 DIRECTORY file|module WHERE NAME, started by attest")
    text = what_is_missing()
    if text:
        turn_down(text)
        return
    from attest_backend.worker import serve

    serve(*sys.argv[1:])


main()
