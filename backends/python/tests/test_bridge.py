# SPDX-License-Identifier: Apache-2.0
"""The bridge from outside: the program attest and backends that are wrong in one way each.

    ATTEST=build/release/bin/attest python3 -m unittest discover backends/python/tests
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

ATTEST = os.path.abspath(os.environ.get("ATTEST", "build/release/bin/attest"))
CASE = "masks/causal-decode/dtype=float32,inputs=v-coded"
FEW = "masks/causal-*/dtype=float32*"

HEAD = """
import os, sys, time
from attest_backend import Backend, Claims, Refuse

""" + (Path(__file__).parent.parent / "tutorial" / "first.py").read_text() + """

right = first.forward
FEATURES = ["decoder-causal", "lse", "kv-strides", "token-strides", "unequal-head-dims"]

class Good(Backend):
    def claims(self):
        return Claims(name="good", features=FEATURES)
    def forward(self, problem, tensors):
        return right(problem, tensors)
"""


class Bridge(unittest.TestCase):
    def setUp(self) -> None:
        self._room = tempfile.TemporaryDirectory()
        self.addCleanup(self._room.cleanup)
        self.room = Path(self._room.name)

    def attest(self, arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ATTEST, *arguments], cwd=self.room, capture_output=True, text=True, check=False,
            env={**os.environ, **environment},
        )  # fmt: skip

    def file(self, body: str, name: str = "mine.py") -> str:
        (self.room / name).write_text(HEAD + textwrap.dedent(body))
        return name

    def replay(self, body: str, case: str = CASE) -> tuple[int, dict]:
        """Replays one case of the backend `B` of `body`: exit code and record."""
        arguments = ["replay", case, "--backend", f"python:{self.file(body)}:B", "--json"]
        done = self.attest([*arguments, "--python", sys.executable])
        self.assertEqual(done.stderr, "")
        return done.returncode, json.loads(done.stdout)

    def expect_line(self, code: int, backend: str, *words: str, **environment: str) -> None:
        """One line on stderr, with these words, and this exit code."""
        python = environment.pop("python", sys.executable)
        done = self.attest(["replay", CASE, "--backend", backend, "--python", python], **environment)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def expect_error(self, body: str, *words: str) -> None:
        code, record = self.replay(body)
        self.assertEqual((code, record["verdict"]), (1, "error"), record)
        for word in words:
            self.assertIn(word, record["reason"])


class WhatCannotBeLoaded(Bridge):
    def test_missing_module(self) -> None:
        self.expect_line(2, "python:no_such_module:B", "no module named 'no_such_module'")

    def test_missing_file(self) -> None:
        self.expect_line(2, "python:no/such.py:B", "no file at", "no/such.py")

    def test_not_a_name(self) -> None:
        for argument in ("python:", "python:mine.py", "python:mine.py:", "python::B"):
            self.expect_line(2, argument, "python:MODULE:NAME")

    def test_missing_attribute(self) -> None:
        self.expect_line(2, f"python:{self.file('')}:Bad", "has no attribute 'Bad'", "Good")

    def test_no_backend(self) -> None:
        self.expect_line(2, f"python:{self.file('B = 3')}:B", "has no method claims")

    def test_broken_import(self) -> None:
        self.expect_line(2, f"python:{self.file('1 / 0')}:B", "ZeroDivisionError", "mine.py:")

    def test_import_of_a_missing_module(self) -> None:
        self.expect_line(2, f"python:{self.file('import nothing_here')}:B", "nothing_here", "mine.py:")

    def test_syntax_error(self) -> None:
        self.expect_line(2, f"python:{self.file('def (')}:B", "SyntaxError")

    def test_exception_in_claims(self) -> None:
        body = "class B(Good):\n def claims(self): raise KeyError('nothing')"
        self.expect_line(2, f"python:{self.file(body)}:B", "KeyError: 'nothing'", "in claims")

    def test_exception_in_the_constructor(self) -> None:
        body = "class B(Good):\n def __init__(self): raise OSError('no weights')"
        self.expect_line(2, f"python:{self.file(body)}:B", "OSError: no weights")

    def test_claims_of_another_type(self) -> None:
        body = "class B(Good):\n def claims(self): return {'name': 'b'}"
        self.expect_line(2, f"python:{self.file(body)}:B", "claims() returned dict, wanted Claims")

    def test_unknown_feature(self) -> None:
        body = "class B(Good):\n def claims(self): return Claims(name='b', features=['warp-drive'])"
        self.expect_line(2, f"python:{self.file(body)}:B", "unknown feature 'warp-drive'")

    def test_merge_without_a_method(self) -> None:
        body = "class B(Good):\n def claims(self): return Claims(name='b', features=['merge'])"
        self.expect_line(2, f"python:{self.file(body)}:B", "merge")

    def test_the_interpreter_dies_at_once(self) -> None:
        self.expect_line(2, f"python:{self.file('os._exit(3)')}:B", "exit code 3 inside hello")

    def test_the_device_is_absent(self) -> None:
        body = "class B(Good):\n def open(self, options): raise Refuse('no GPU here')"
        self.expect_line(3, f"python:{self.file(body)}:B", "no GPU here")


class WhatTheMachineLacks(Bridge):
    def fake(self, package: str, text: str) -> str:
        folder = self.room / "fake" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(text)
        return str(folder.parent)

    def test_no_interpreter(self) -> None:
        words = ("no interpreter '/no/such/python'", "--python")
        self.expect_line(3, f"python:{self.file('')}:Good", *words, python="/no/such/python")

    def test_numpy_too_old(self) -> None:
        path = self.fake("numpy", "__version__ = '1.19.5'")
        words = ("NumPy 1.19.5 is too old", "1.22 or newer")
        self.expect_line(2, f"python:{self.file('')}:Good", *words, PYTHONPATH=path)

    def test_numpy_absent(self) -> None:
        path = self.fake("numpy", "raise ImportError('no numpy')")
        self.expect_line(2, f"python:{self.file('')}:Good", "NumPy cannot be imported", PYTHONPATH=path)

    def test_bfloat16_without_ml_dtypes(self) -> None:
        path = self.fake("ml_dtypes", "raise ImportError('none')")
        body = "class B(Good):\n def claims(self): return Claims(name='b', dtypes=['bfloat16'])"
        words = ("bfloat16", "pip install ml_dtypes", "raw()")
        self.expect_line(2, f"python:{self.file(body)}:B", *words, PYTHONPATH=path)


class WhatForwardReturns(Bridge):
    def returns(self, expression: str) -> str:
        return (
            "class B(Good):\n def forward(self, problem, tensors):\n"
            f"  out, lse = right(problem, tensors)\n  return {expression}"
        )

    def test_the_right_thing(self) -> None:
        self.assertEqual(self.replay(self.returns("(out, lse)"))[0], 0)
        self.assertEqual(self.replay(self.returns("[x[:problem.num_actual_tokens] for x in (out, lse)]"))[0], 0)

    def test_none(self) -> None:
        self.expect_error(self.returns("None"), "forward returned None, wanted (out, lse)")

    def test_wrong_shape(self) -> None:
        self.expect_error(self.returns("(out[:, :1], lse)"), "out has shape [", "wanted [")
        self.expect_error(self.returns("(out, lse.T)"), "lse has shape [", "wanted [")

    def test_wrong_dtype(self) -> None:
        self.expect_error(self.returns("(out.astype('f8'), lse)"), "out is float64, wanted float32")
        self.expect_error(self.returns("(out, lse.astype('f2'))"), "lse is float16, wanted float32")

    def test_wrong_type(self) -> None:
        self.expect_error(self.returns("(out.tolist(), lse)"), "out is list, wanted an array")
        self.expect_error(self.returns("('done', lse)"), "out is str, wanted an array")
        self.expect_error(self.returns("(out.astype(object), lse)"), "array of objects")

    def test_wrong_count(self) -> None:
        self.expect_error(self.returns("(out, lse, lse)"), "forward returned 3 values")

    def test_missing_lse(self) -> None:
        self.expect_error(self.returns("out"), "no lse, which was asked for")

    def test_exception(self) -> None:
        self.expect_error(
            self.returns("out[np.array([10 ** 9])]"), "IndexError", "mine.py:", "in forward"
        )

    def test_exception_with_a_note(self) -> None:
        body = """
            class B(Good):
                def forward(self, problem, tensors):
                    error = ValueError("what is wrong")
                    error.__notes__ = ["a note that comes last"]
                    raise error
        """
        self.expect_error(body, "ValueError: what is wrong")

    def test_supports_returns_something(self) -> None:
        body = "class B(Good):\n def supports(self, problem): return False"
        self.expect_error(body, "raise Refuse('reason')")

    def test_refusal_has_its_reason(self) -> None:
        body = "class B(Good):\n def supports(self, problem): raise Refuse('not on a Saturday')"
        code, record = self.replay(body)
        self.assertEqual((code, record["verdict"]), (1, "refused"))
        self.assertIn("not on a Saturday", record["reason"])

    def test_an_input_that_is_written(self) -> None:
        code, record = self.replay(self.returns("(tensors.query.fill(0), (out, lse))[1]"))
        self.assertEqual((code, record["verdict"], record["rule"]), (1, "fail", "untouched"), record)


class OneCaseAndNoMore(Bridge):
    """A backend that ends badly on the first call of its life as a file; the next process is well."""

    def verdicts(self, ending: str, *flags: str) -> dict[str, int]:
        body = f"""
        class B(Good):
            def forward(self, problem, tensors):
                if not os.path.exists("met"):
                    open("met", "w").close()
                    {ending}
                return right(problem, tensors)
        """
        arguments = ["certify", "--backend", f"python:{self.file(body)}:B", "--filter", FEW]
        arguments += ["--python", sys.executable, "--out", "run", "--jobs", "1", "--diagnose", "0"]
        done = self.attest([*arguments, *flags])
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        found: dict[str, int] = {}
        for line in (self.room / "run" / "records.jsonl").read_text().splitlines():
            verdict = json.loads(line).get("verdict")  # the first and last line are no records
            if verdict is not None:
                found[verdict] = found.get(verdict, 0) + 1
        return found

    def expect_one(self, verdict: str, ending: str, *flags: str) -> None:
        found = self.verdicts(ending, *flags)
        self.assertEqual(found.get(verdict), 1, found)
        self.assertGreater(found.get("pass", 0), 2, found)
        self.assertEqual(len(found), 2, found)

    def test_exception(self) -> None:
        self.expect_one("error", "raise RuntimeError('once')")

    def test_exit(self) -> None:
        self.expect_one("crash", "sys.exit(0)")

    def test_death(self) -> None:
        self.expect_one("crash", "os.kill(os.getpid(), 11)")

    def test_hang(self) -> None:
        self.expect_one("timeout", "time.sleep(600)", "--deadline-floor", "4")


class EveryCommand(Bridge):
    def test_probe_reads_the_mask(self) -> None:
        arguments = ["probe", "mask", "--backend", f"python:{self.file('')}:Good", "--against-spec"]
        arguments += [f"--set={name}_dtype=float32" for name in ("query", "cache", "output")]
        done = self.attest([*arguments, "--python", sys.executable])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_explain_names_the_mistake(self) -> None:
        wrong = HEAD.replace("np.arange(r.seq_len) > position", "np.arange(r.seq_len) >= position")
        self.assertNotEqual(wrong, HEAD)
        (self.room / "mine.py").write_text(wrong)
        arguments = ["explain", CASE, "--backend", "python:mine.py:Good", "--python", sys.executable]
        done = self.attest(arguments)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("own-key-missing", done.stdout)

    def test_properties_hold(self) -> None:
        arguments = ["properties", "--backend", f"python:{self.file('')}:Good", "--law", "masked-keys"]
        done = self.attest([*arguments, "--cases", "5", "--seed", "7", "--python", sys.executable])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_printed_command_holds_the_interpreter(self) -> None:
        arguments = ["replay", CASE, "--json", "--backend", f"python:{self.file('')}:Good"]
        done = self.attest([*arguments, "--python", sys.executable])
        self.assertIn(f"python@{sys.executable}:mine.py:Good", json.loads(done.stdout)["repro"])


if __name__ == "__main__":
    unittest.main()
