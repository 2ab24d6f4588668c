# SPDX-License-Identifier: Apache-2.0
"""What reaches a callable: DLPack, float8 with its scales, caches to write, parts to merge. Each is
judged by attest, once right and once with the mistake that the case must show."""

from __future__ import annotations

import importlib.util
import unittest

from test_bridge import Bridge

# Arrays that came through DLPack, for the attention of the tutorial. `check` sees each tensor and its array.
DLPACK = """
from attest_backend import dlpack
held = []

class Taken:
    def __init__(self, tensors, read, check):
        self.all, self._read, self._check = tensors.all, read, check
    def __getattr__(self, name):
        if name not in self.all:
            return None
        array = self._read(self.all[name])
        self._check(self.all[name], array)
        return array

def same_memory(tensor, array):
    raw = tensor.raw()
    assert array.ctypes.data == raw.ctypes.data, "a copy"
    assert array.strides == raw.strides and array.shape == raw.shape, (array.strides, raw.strides)

class B(Good):
    arrays = "tensor"
    def forward(self, problem, tensors):
        returned = right(problem, Taken(tensors, np.from_dlpack, CHECK))
        assert not dlpack._alive, "something is kept"
        return returned
"""

TORCH = """
import torch

def same(tensor, array):
    assert array.data_ptr() == tensor.raw().ctypes.data, "a copy"
    assert array.stride() == tensor.strides and str(array.dtype) == f"torch.{tensor.dtype}"
"""

FLOAT8 = """
class Wide:
    def __init__(self, tensors):
        self.all, self._tensors = tensors.all, tensors
    def __getattr__(self, name):
        array = getattr(self._tensors, name)
        if name not in ("key_cache", "value_cache"):
            return array
        return array.astype(np.float32) * getattr(self._tensors, SCALES[name])[..., None]

class B(Good):
    def claims(self):
        return Claims(name="b", features=[*FEATURES, "kv-scale-per-tensor"], dtypes=["float32"],
                      cache_dtypes=["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2"])
    def forward(self, problem, tensors):
        return right(problem, Wide(tensors))
"""

WRITE_KV = """
class B(Good):
    def claims(self):
        return Claims(name="b", features=[*FEATURES, "write-kv"], dtypes=["float32", "bfloat16"])
    def write_kv(self, problem, tensors):
        for i, slot in enumerate(SLOTS.tolist()):
            if slot >= 0:
                at = divmod(slot, problem.block_size)
                tensors.key_cache[at] = tensors.key[i].astype(tensors.key_cache.dtype)
                tensors.value_cache[at] = tensors.value[i].astype(tensors.value_cache.dtype)
"""

MERGE = """
class B(Good):
    def claims(self):
        return Claims(name="b", features=[*FEATURES, "merge"])
    def merge(self, problem, parts):
        lse = np.stack([part for _, part in parts]).astype(np.float64)
        top = lse.max(axis=0)
        weight = np.exp(lse - np.where(top == -np.inf, 0, top))
        total = weight.sum(axis=0)
        out = sum(np.where(w[..., None] > 0, w[..., None] * o, 0) for w, (o, _) in zip(weight, parts))
        with np.errstate(divide="ignore"):
            merged = MERGED
        return (out / np.where(total > 0, total, 1)[..., None]).astype(np.float32), merged.astype(np.float32)
"""


class Judged(Bridge):
    def passes(self, body: str, case: str) -> None:
        code, record = self.replay(body, case)
        self.assertEqual((code, record["verdict"]), (0, "pass"), record["reason"])

    def fails(self, body: str, case: str) -> None:
        code, record = self.replay(body, case)
        self.assertEqual((code, record["verdict"]), (1, "fail"), record["reason"])


class DLPack(Judged):
    CONTIGUOUS = "masks/causal-decode/dtype=float32,inputs=v-coded"
    STRIDED = "pairs/pages-and-formats/cache_layout=padded_pages,format=float32,shape=5-of-40,inputs=k-coded"

    def body(self, check: str) -> str:
        return DLPACK.replace("CHECK", check)

    def test_numpy_sees_the_image_itself(self) -> None:
        for case in (self.CONTIGUOUS, self.STRIDED):
            self.passes(self.body("same_memory"), case)

    def test_rows_that_are_off_by_one_are_seen(self) -> None:
        moved = "lambda tensor: np.roll(np.from_dlpack(tensor), tensor.name == 'value_cache', 0)"
        body = self.body("lambda *_: None").replace("np.from_dlpack", moved)
        self.fails(body.replace("assert not dlpack._alive", "assert True"), self.CONTIGUOUS)

    def test_an_array_that_is_kept_keeps_its_tensor(self) -> None:
        code, record = self.replay(self.body("lambda _, array: held.append(array)"))
        self.assertEqual((code, record["verdict"]), (1, "error"), record)
        self.assertIn("something is kept", record["reason"])

    @unittest.skipUnless(importlib.util.find_spec("torch"), "torch is not installed")
    def test_torch_sees_the_image_itself(self) -> None:
        body = self.body("same").replace("np.from_dlpack", "lambda t: torch.from_dlpack(t)")
        self.passes(TORCH + body.replace("return array\n", "return array.numpy()\n"), self.CONTIGUOUS)


class Float8(Judged):
    CASE = "kv_quant/output-float32/cache_dtype={},scales=per-tensor,inputs={}"
    SCALES = '{"key_cache": "key_scale", "value_cache": "value_scale"}'

    def test_each_format_is_read_as_what_it_is(self) -> None:
        for dtype in ("e4m3fn", "e4m3fnuz", "e5m2"):
            for inputs in ("k-coded", "generic"):
                self.passes(FLOAT8.replace("SCALES", self.SCALES), self.CASE.format(dtype, inputs))

    def test_scales_that_are_swapped_are_seen(self) -> None:
        swapped = '{"key_cache": "value_scale", "value_cache": "key_scale"}'
        self.fails(FLOAT8.replace("SCALES", swapped), self.CASE.format("e4m3fn", "generic"))

    def test_one_format_read_as_another_is_seen(self) -> None:
        wrong = FLOAT8.replace("SCALES", self.SCALES).replace(
            "array.astype(np.float32)",
            "array.view('u1').view(__import__('ml_dtypes').float8_e4m3fnuz).astype(np.float32)",
        )
        self.fails(wrong, self.CASE.format("e4m3fn", "generic"))


class WriteKv(Judged):
    SLOTS = "write_kv/slots/block_size=5,dtype=float32"
    RIGHT = WRITE_KV.replace("SLOTS", "tensors.slot_mapping")

    def test_slots_are_written_in_place(self) -> None:
        self.passes(self.RIGHT, self.SLOTS)

    def test_a_cache_of_another_type(self) -> None:
        self.passes(self.RIGHT, "write_kv/conversions/types=float32-to-bfloat16")

    def test_a_padding_row_that_is_written_is_seen(self) -> None:
        self.fails(WRITE_KV.replace("SLOTS", "np.maximum(tensors.slot_mapping, 0)"), self.SLOTS)


class Merge(Judged):
    PARTS = "merge/parts/parts=3,dtype=float32"

    def test_parts_are_weighed_by_their_lse(self) -> None:
        body = MERGE.replace("MERGED", "np.where(total > 0, top + np.log(total), -np.inf)")
        self.passes(body, self.PARTS)
        self.passes(body, "merge/empty-parts/parts=2,dtype=float32,poison=nan")

    def test_the_largest_lse_is_not_the_merged_one(self) -> None:
        self.fails(MERGE.replace("MERGED", "top"), self.PARTS)


if __name__ == "__main__":
    unittest.main()
