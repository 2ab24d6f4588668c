// SPDX-License-Identifier: Apache-2.0
//
// Random calls for the tests of this backend, and plain loops that say what the answer is.
#ifndef ATTEST_BACKENDS_CPU_TEST_CALL_H_
#define ATTEST_BACKENDS_CPU_TEST_CALL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "spec/abi/attest.h"

namespace attest::cpu {

inline constexpr attest_dtype_t kTestFloat32 = {ATTEST_FLOAT, 32, 1};
inline constexpr attest_dtype_t kTestFloat16 = {ATTEST_FLOAT, 16, 1};
inline constexpr attest_dtype_t kTestBFloat16 = {ATTEST_BFLOAT, 16, 1};
inline constexpr attest_dtype_t kTestE4M3FN = {ATTEST_FLOAT8_E4M3FN, 8, 1};
inline constexpr attest_dtype_t kTestE4M3FNUZ = {ATTEST_FLOAT8_E4M3FNUZ, 8, 1};
inline constexpr attest_dtype_t kTestE5M2 = {ATTEST_FLOAT8_E5M2, 8, 1};
inline constexpr attest_dtype_t kTestInt8 = {ATTEST_INT, 8, 1};

struct TestRequest {
  int q_len = 1;
  int seq_len = 1;
};

struct TestRange {
  int request = 0;
  int first = 0;
  int last = 0;  // inclusive
};

struct TestShape {
  attest_attention_type_t type = ATTEST_DECODER;
  attest_causality_t causality = ATTEST_CAUSAL;
  std::vector<TestRequest> requests = {{3, 10}, {1, 70}};
  int num_kv_heads = 2;
  int group = 2;
  int head_dim_qk = 16;
  int head_dim_v = 16;
  int block_size = 16;
  int window_left = 0;
  int window_right = 0;
  int local_block_size = 0;
  int local_block_lookback = 0;
  std::vector<bool> request_causal;  // one a request makes causality per request
  std::vector<TestRange> prefix_ranges;
  bool prefix_clamped = false;
  bool tree = false;
  attest_mask_kind_t mask = ATTEST_MASK_NONE;
  attest_dtype_t mask_dtype = kTestFloat32;  // of an additive mask
  bool mask_broadcast = false;               // over requests and heads
  float scale = 0.3F;
  float softcap = 0;
  bool alibi = false;
  bool sinks = false;
  attest_kv_layout_t layout = ATTEST_KV_STRIDED;
  bool latent = false;      // values are the first head_dim_v columns of the keys
  bool same_pages = false;  // each request names one page again and again
  attest_kv_scale_kind_t scales = ATTEST_KV_SCALE_NONE;
  bool odd_strides = false;  // heads before slots, gaps in every row, columns two apart
  attest_dtype_t query_dtype = kTestFloat32;
  attest_dtype_t cache_dtype = kTestFloat32;
  attest_dtype_t output_dtype = kTestFloat32;
  std::uint32_t seed = 1;
};

// A shape with everything drawn at random; some masks exclude others.
TestShape RandomShape(std::uint32_t seed);

// The number that a bit pattern of an 8-bit type stands for, worked out in double.
double NumberOfByte(attest_dtype_t dtype, int bits);

// Tensors of a call. Slots, rows and mask elements that nobody owns hold NaN, table entries that
// nobody owns nonsense, and there is one padding row. Contents of request r follow from (seed, r)
// alone.
class TestCall {
 public:
  explicit TestCall(const TestShape& shape);
  TestCall(const TestCall&) = delete;
  TestCall& operator=(const TestCall&) = delete;

  attest_problem_t problem = {};
  attest_forward_args_t args = {};

  // Opens the library with these options and computes. Refills out and lse before.
  attest_status_t Run(const char* options, std::string* message = nullptr);
  // The table of an instance that lives as long as the process.
  static attest_backend_t& Backend();

  // Bits of out and lse of the rows [first, last), one word an element.
  std::vector<std::uint32_t> Bits(std::int64_t first, std::int64_t last) const;
  bool OutputsUntouched() const;

  double Load(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index) const;
  void Store(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index,
             double value);
  // The slot of a key in key_cache or value_cache, or in key and value.
  void StoreKey(bool value_side, int request, int key, int head, int column, double value);
  double LoadKey(bool value_side, int request, int key, int head, int column) const;
  void StoreBool(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index,
                 bool value);
  // Of key and value.
  void StoreScales(int request, int key, int head, double value);
  // Takes keys, values and the last rows of the query of request 0 of `other`,
  // which has as many keys.
  void CopyRequest(const TestCall& other);
  bool Visible(int request, int row, int head, int key) const;

  // The answer of plain loops in double: out[0 .. head_dim_v), then the LSE.
  std::vector<double> Expected(int request, int row, int head) const;

  // The first element that is further from plain loops than rounding explains; empty if none is.
  std::string FirstDifference() const;

 private:
  attest_tensor_t Add(attest_dtype_t dtype, std::vector<std::int64_t> shape, bool odd);
  void FillProblem();
  void FillMetadata();
  void FillRequest(int request);
  void AddCache();
  void AddMasks();
  void FillScales();
  bool InBand(int request, int row, int key) const;
  double ScoreOf(int request, int row, int head, int key) const;
  double BiasOf(int request, int row, int head, int key) const;
  std::byte* KeyAddress(bool value_side, int request, int key, int head, int column) const;
  attest_dtype_t KeyDType() const;
  void Untouch();

  TestShape shape_;
  std::deque<std::vector<std::byte>> buffers_;
  std::deque<std::vector<std::int64_t>> extents_;
};

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_TEST_CALL_H_
