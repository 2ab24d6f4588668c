// SPDX-License-Identifier: Apache-2.0
#include "conformance/eval/npy.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "conformance/eval/integers.h"

namespace attest {
namespace {

// A file of version `version` whose header is `header`, padded as NumPy does.
std::string FileOf(const std::string& header, std::size_t data_bytes, int version = 1) {
  const std::size_t width = version == 1 ? 2 : 4;
  std::string text = header;
  text.append((64 - (8 + width + text.size() + 1) % 64) % 64, ' ');
  text += '\n';
  std::string file = "\x93NUMPY";
  file += static_cast<char>(version);
  file += '\0';
  for (std::size_t i = 0; i < width; ++i) {
    file += static_cast<char>((text.size() >> (8 * i)) & 0xff);
  }
  file += text;
  for (std::size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i);
  return file;
}

std::string Dict(const std::string& type, const std::string& shape, const char* fortran = "False") {
  return "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

std::string ErrorOf(const std::string& file) {
  const Result<NpyArray> array = ParseNpy(file, "x.npy");
  EXPECT_FALSE(array.ok());
  EXPECT_EQ(array.status().message().find("x.npy: "), 0U) << array.status().message();
  return array.ok() ? "" : array.status().message();
}

TEST(Npy, WritesTheBytesThatNumPyWrites) {
  // np.save of np.array([[1, 2, 3]], dtype='<i4') by NumPy 1.26.
  const std::vector<std::int32_t> data = {1, 2, 3};
  std::string expected("\x93NUMPY\x01\x00v\x00", 10);
  expected += "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 3), }";
  expected.append(127 - expected.size(), ' ');
  expected += '\n';
  expected.append("\1\0\0\0\2\0\0\0\3\0\0\0", 12);
  EXPECT_EQ(NpyFile({'i', 4}, {1, 3}, data.data()), expected);
}

TEST(Npy, ReadsWhatItWritesInEveryRank) {
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{}, {4}, {2, 3}, {0, 3}, {2, 1, 3, 2}}) {
    const std::vector<float> data(24, 1.5F);
    const Result<NpyArray> array = ParseNpy(NpyFile({'f', 4}, shape, data.data()), "x.npy");
    ASSERT_TRUE(array.ok()) << array.status().message();
    EXPECT_EQ(array->shape, shape);
    EXPECT_EQ(array->type, (NpyType{'f', 4}));
  }
}

TEST(Npy, ReadsVersionsTwoAndThree) {
  for (const int version : {2, 3}) {
    const Result<NpyArray> array = ParseNpy(FileOf(Dict("|u1", "(3,)"), 3, version), "x.npy");
    ASSERT_TRUE(array.ok()) << array.status().message();
    EXPECT_EQ(array->shape, std::vector<std::int64_t>{3});
    EXPECT_EQ(static_cast<int>(array->bytes[2]), 2);
  }
}

TEST(Npy, FortranOrderIsAMatterOfStrides) {
  const Result<NpyArray> array = ParseNpy(FileOf(Dict("|u1", "(2, 3)", "True"), 6), "x.npy");
  ASSERT_TRUE(array.ok());
  EXPECT_EQ(array->strides, (std::vector<std::int64_t>{1, 2}));
  const Result<std::vector<std::int64_t>> numbers = ReadIntegers(*array, 2);
  ASSERT_TRUE(numbers.ok());
  EXPECT_EQ(*numbers, (std::vector<std::int64_t>{0, 2, 4, 1, 3, 5}));
}

TEST(Npy, BadFilesAreOneLineThatSaysWhat) {
  const auto expect = [](const std::string& file, const std::string& words) {
    EXPECT_NE(ErrorOf(file).find(words), std::string::npos) << ErrorOf(file);
  };
  expect("", "not an NPY file");
  expect("PK\3\4 a zip of arrays", "not an NPY file");
  expect(FileOf(Dict("|u1", "(3,)"), 3).substr(0, 30), "cut off in the header");
  expect(FileOf(Dict("|u1", "(3,)"), 2), "2 bytes of data, but shape [3] of uint8 says 3");
  expect(FileOf(Dict("|u1", "(3,)"), 4), "4 bytes of data");
  expect(FileOf(Dict(">f4", "(1,)"), 4), "big-endian");
  expect(FileOf(Dict("<c8", "(1,)"), 8), "'<c8' is not read");
  expect(FileOf(Dict("|O", "(1,)"), 8), "'|O' is not read");
  expect(FileOf("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4),
         "structured");
  expect(FileOf(Dict("<f4", "(-1,)"), 4), "shape is not a tuple");
  expect(FileOf(Dict("<f4", "(4611686018427387904, 4)"), 4), "more than 2^63");
  expect(FileOf(Dict("<f4", "(0, 4611686018427387904, 4)"), 0), "more than 2^63");
  expect(FileOf("{'descr': '<f4', 'shape': (1,), }", 4), "no fortran_order");
  expect(FileOf(Dict("<f4", "(1,)", "1"), 4), "fortran_order is neither");
  expect(FileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4), "'x'");
  expect(FileOf(Dict("<f4", "(1,)"), 4, 9), "version 9");
}

TEST(Npy, RawBytesStandForFormatsThatNumPyDoesNotKnow) {
  EXPECT_TRUE(CanHold({'u', 2}, DType::kBFloat16));
  EXPECT_TRUE(CanHold({'V', 2}, DType::kBFloat16));
  EXPECT_FALSE(CanHold({'f', 2}, DType::kBFloat16));
  EXPECT_FALSE(CanHold({'u', 2}, DType::kFloat16));
  EXPECT_TRUE(CanHold({'u', 1}, DType::kFloat8E5M2));
  EXPECT_FALSE(CanHold({'u', 1}, DType::kBool));
  // ml_dtypes gives float8_e5m2, and it alone, the type '<f1'.
  EXPECT_TRUE(CanHold({'f', 1}, DType::kFloat8E5M2));
  EXPECT_FALSE(CanHold({'f', 1}, DType::kFloat8E4M3FN));
}

TEST(Npy, IntegersOfEveryWidthAreRead) {
  const std::vector<std::int64_t> wide = {-1, 1LL << 40};
  EXPECT_EQ(*ReadIntegers(*ParseNpy(NpyFile({'i', 8}, {2}, wide.data()), "x.npy"), 1), wide);
  const std::vector<std::int8_t> narrow = {-3, 4};
  EXPECT_EQ(*ReadIntegers(*ParseNpy(NpyFile({'i', 1}, {2}, narrow.data()), "x.npy"), 1),
            (std::vector<std::int64_t>{-3, 4}));
  const std::vector<float> floats = {1, 2};
  const auto wrong = ReadIntegers(*ParseNpy(NpyFile({'f', 4}, {2}, floats.data()), "x.npy"), 1);
  EXPECT_EQ(wrong.status().message(), "x.npy: float32, expected whole numbers");
}

}  // namespace
}  // namespace attest
