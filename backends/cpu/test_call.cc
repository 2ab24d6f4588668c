// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/test_call.h"

#include <dlfcn.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace attest::cpu {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr unsigned char kUntouched = 0xa5;

bool IsHalf(attest_dtype_t dtype) { return dtype.code == ATTEST_FLOAT && dtype.bits == 16; }

std::byte* Address(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index) {
  std::int64_t offset = 0;
  std::size_t axis = 0;
  for (const std::int64_t i : index) offset += i * tensor.strides[axis++];
  return static_cast<std::byte*>(tensor.data) + tensor.byte_offset +
         offset * (tensor.dtype.bits / 8);
}

std::int32_t& Int(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index) {
  return *reinterpret_cast<std::int32_t*>(Address(tensor, index));
}

// Multiples of 1/64 below 2 in magnitude are numbers of every type.
double RandomNumber(std::mt19937& random) {
  return (static_cast<int>(random() % 255) - 127) / 64.0;
}

int Pick(std::mt19937& random, std::initializer_list<int> choices) {
  return choices.begin()[random() % choices.size()];
}

attest_dtype_t PickDType(std::mt19937& random) {
  const attest_dtype_t dtypes[] = {kTestFloat32, kTestFloat16, kTestBFloat16};
  return dtypes[random() % 3];
}

}  // namespace

TestShape RandomShape(std::uint32_t seed) {
  std::mt19937 random(seed);
  TestShape s;
  s.seed = seed;
  s.type =
      Pick(random, {ATTEST_DECODER, ATTEST_DECODER, ATTEST_ENCODER_ONLY, ATTEST_ENCODER_DECODER});
  s.causality = Pick(random, {ATTEST_CAUSAL, ATTEST_NON_CAUSAL});
  s.requests.clear();
  for (int r = Pick(random, {1, 2, 3}); r > 0; --r) {
    TestRequest request{Pick(random, {0, 1, 2, 7, 30, 97}), 0};
    request.seq_len = s.type == ATTEST_ENCODER_ONLY
                          ? request.q_len
                          : request.q_len + Pick(random, {-3, 0, 0, 1, 63, 65, 130});
    request.seq_len = std::max(request.seq_len, 0);
    s.requests.push_back(request);
  }
  s.num_kv_heads = Pick(random, {1, 2, 3});
  s.group = Pick(random, {1, 2, 3, 7});
  s.head_dim_qk = Pick(random, {1, 8, 13, 16, 40, 64});
  s.head_dim_v = Pick(random, {s.head_dim_qk, 3, 16, 33, 64});
  s.block_size = Pick(random, {1, 5, 16, 48});
  if (s.type != ATTEST_ENCODER_DECODER) {
    s.window_left = Pick(random, {0, 0, 1, 2, 31, 500});
    s.window_right = Pick(random, {0, s.window_left, s.window_left, 4});
  }
  s.scale = Pick(random, {1, -1}) * 0.01F * static_cast<float>(Pick(random, {5, 30, 100}));
  s.sinks = Pick(random, {0, 1}) == 1;
  s.odd_strides = Pick(random, {0, 1}) == 1;
  s.query_dtype = PickDType(random);
  s.cache_dtype = PickDType(random);
  s.output_dtype = PickDType(random);
  return s;
}

TestCall::TestCall(const TestShape& shape) : shape_(shape) {
  FillProblem();
  FillMetadata();
  const std::int64_t rows = problem.num_actual_tokens + 1;
  const std::int64_t hq = problem.num_q_heads;
  const std::int64_t hkv = problem.num_kv_heads;
  const std::int64_t d = problem.head_dim_qk;
  const std::int64_t dv = problem.head_dim_v;
  const bool odd = shape.odd_strides;
  args.query = Add(problem.query_dtype, {rows, hq, d}, odd);
  if (shape.type == ATTEST_ENCODER_ONLY) {
    args.key = Add(problem.query_dtype, {rows, hkv, d}, odd);
    args.value = Add(problem.query_dtype, {rows, hkv, dv}, odd);
  } else {
    args.key_cache =
        Add(problem.cache_dtype, {problem.num_blocks, problem.block_size, hkv, d}, odd);
    args.value_cache =
        Add(problem.cache_dtype, {problem.num_blocks, problem.block_size, hkv, dv}, odd);
  }
  args.out = Add(problem.output_dtype, {rows, hq, dv}, odd);
  args.lse = Add(kTestFloat32, {rows, hq}, odd);
  for (int r = 0; r < static_cast<int>(shape.requests.size()); ++r) FillRequest(r);
}

attest_tensor_t TestCall::Add(attest_dtype_t dtype, std::vector<std::int64_t> shape, bool odd) {
  std::vector<std::int64_t> strides(shape.size());
  std::vector<std::size_t> order(shape.size());
  for (std::size_t axis = 0; axis < order.size(); ++axis) order[axis] = axis;
  if (odd && shape.size() == 4) std::swap(order[1], order[2]);
  std::int64_t count = odd ? 2 : 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = count;
    count = count * std::max<std::int64_t>(shape[order[i]], 1) + (odd ? 3 : 0);
  }
  extents_.push_back(std::move(shape));
  std::int64_t* const sizes = extents_.back().data();
  const auto ndim = static_cast<std::int32_t>(extents_.back().size());
  extents_.push_back(std::move(strides));
  const std::uint64_t lead = odd ? 8 : 0;
  buffers_.emplace_back(static_cast<std::size_t>(count) * (dtype.bits / 8) + lead, std::byte{0xff});
  return {buffers_.back().data(),
          {ATTEST_DEVICE_CPU, 0},
          ndim,
          dtype,
          sizes,
          extents_.back().data(),
          lead};
}

void TestCall::FillProblem() {
  const bool paged = shape_.type != ATTEST_ENCODER_ONLY;
  std::int64_t pages = 1;
  for (const TestRequest& request : shape_.requests) {
    problem.num_actual_tokens += request.q_len;
    problem.max_query_len = std::max<std::int64_t>(problem.max_query_len, request.q_len);
    problem.max_seq_len = std::max<std::int64_t>(problem.max_seq_len, request.seq_len);
    pages += (request.seq_len + shape_.block_size - 1) / shape_.block_size;
  }
  problem.struct_size = sizeof(problem);
  problem.attention_type = shape_.type;
  problem.causality = shape_.causality;
  problem.flags = ATTEST_FLAG_LSE;
  if (shape_.sinks) problem.flags |= ATTEST_FLAG_SINKS;
  problem.query_dtype = shape_.query_dtype;
  problem.cache_dtype = shape_.cache_dtype;
  problem.output_dtype = shape_.output_dtype;
  problem.num_kv_heads = shape_.num_kv_heads;
  problem.num_q_heads = shape_.num_kv_heads * shape_.group;
  problem.head_dim_qk = shape_.head_dim_qk;
  problem.head_dim_v = shape_.head_dim_v;
  problem.scale = shape_.scale;
  problem.window_left = shape_.window_left;
  problem.window_right = shape_.window_right;
  problem.num_requests = static_cast<std::int64_t>(shape_.requests.size());
  if (!paged) return;
  problem.block_size = shape_.block_size;
  problem.num_blocks = pages;
  problem.block_table_width = problem.max_seq_len / shape_.block_size + 2;
}

void TestCall::FillMetadata() {
  constexpr attest_dtype_t kInt32 = {ATTEST_INT, 32, 1};
  std::mt19937 random(shape_.seed);
  const bool odd = shape_.odd_strides;
  args.struct_size = sizeof(args);
  args.query_start_loc = Add(kInt32, {problem.num_requests + 1}, odd);
  args.seq_lens = Add(kInt32, {problem.num_requests}, odd);
  args.sinks = Add(kTestFloat32, {problem.num_q_heads}, odd);
  for (int h = 0; h < problem.num_q_heads; ++h) Store(args.sinks, {h}, 0.5 * h - 1.0);
  Int(args.query_start_loc, {0}) = 0;
  for (int r = 0; r < problem.num_requests; ++r) {
    const TestRequest& request = shape_.requests[static_cast<std::size_t>(r)];
    Int(args.query_start_loc, {r + 1}) = Int(args.query_start_loc, {r}) + request.q_len;
    Int(args.seq_lens, {r}) = request.seq_len;
  }
  if (shape_.type == ATTEST_ENCODER_ONLY) return;
  std::vector<std::int32_t> pages(static_cast<std::size_t>(problem.num_blocks) - 1);
  for (std::size_t i = 0; i < pages.size(); ++i) pages[i] = static_cast<std::int32_t>(i) + 1;
  std::shuffle(pages.begin(), pages.end(), random);
  args.block_table = Add(kInt32, {problem.num_requests, problem.block_table_width}, odd);
  for (int r = 0; r < problem.num_requests; ++r) {
    const int seq_len = shape_.requests[static_cast<std::size_t>(r)].seq_len;
    for (int i = 0; i < problem.block_table_width; ++i) {
      std::int32_t& entry = Int(args.block_table, {r, i});
      entry = static_cast<std::int32_t>(random());
      if (i * shape_.block_size >= seq_len) continue;
      entry = pages.back();
      pages.pop_back();
    }
  }
}

void TestCall::FillRequest(int request) {
  std::mt19937 random(shape_.seed * 977 + static_cast<std::uint32_t>(request));
  const TestRequest& lengths = shape_.requests[static_cast<std::size_t>(request)];
  const int start = Int(args.query_start_loc, {request});
  for (int i = 0; i < lengths.q_len; ++i) {
    for (int h = 0; h < problem.num_q_heads; ++h) {
      for (int d = 0; d < problem.head_dim_qk; ++d) {
        Store(args.query, {start + i, h, d}, RandomNumber(random));
      }
    }
  }
  for (int k = 0; k < lengths.seq_len; ++k) {
    for (int h = 0; h < problem.num_kv_heads; ++h) {
      for (int d = 0; d < problem.head_dim_qk; ++d) {
        StoreKey(false, request, k, h, d, RandomNumber(random));
      }
      for (int d = 0; d < problem.head_dim_v; ++d) {
        StoreKey(true, request, k, h, d, RandomNumber(random));
      }
    }
  }
}

double TestCall::Load(const attest_tensor_t& tensor,
                      std::initializer_list<std::int64_t> index) const {
  std::uint32_t bits = 0;
  std::memcpy(&bits, Address(tensor, index), tensor.dtype.bits / 8);
  if (tensor.dtype.bits == 32) return std::bit_cast<float>(bits);
  if (!IsHalf(tensor.dtype)) return std::bit_cast<float>(bits << 16);
  const int exponent = static_cast<int>(bits >> 10) & 31;
  const int fraction = static_cast<int>(bits & 1023);
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) return fraction == 0 ? sign * INFINITY : kNan;
  return sign *
         (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25));
}

// `value` is a number of the tensor's type, and of normal size where that is float16.
void TestCall::Store(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index,
                     double value) {
  auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  if (IsHalf(tensor.dtype)) {
    const std::uint32_t magnitude = bits & 0x7fffffffU;
    const std::uint32_t narrow = std::isinf(value) ? 0x7c00U
                                 : magnitude == 0  ? 0U
                                                   : (magnitude - 0x38000000U) >> 13;
    bits = (bits >> 16 & 0x8000U) | narrow;
  } else if (tensor.dtype.bits == 16) {
    bits >>= 16;
  }
  std::memcpy(Address(tensor, index), &bits, tensor.dtype.bits / 8);
}

void TestCall::StoreKey(bool value_side, int request, int key, int head, int column, double value) {
  if (shape_.type == ATTEST_ENCODER_ONLY) {
    const int start = Int(args.query_start_loc, {request});
    Store(value_side ? args.value : args.key, {start + key, head, column}, value);
    return;
  }
  const std::int64_t page = Int(args.block_table, {request, key / shape_.block_size});
  Store(value_side ? args.value_cache : args.key_cache,
        {page, key % shape_.block_size, head, column}, value);
}

double TestCall::LoadKey(bool value_side, int request, int key, int head, int column) const {
  if (shape_.type == ATTEST_ENCODER_ONLY) {
    const int start = Int(args.query_start_loc, {request});
    return Load(value_side ? args.value : args.key, {start + key, head, column});
  }
  const std::int64_t page = Int(args.block_table, {request, key / shape_.block_size});
  return Load(value_side ? args.value_cache : args.key_cache,
              {page, key % shape_.block_size, head, column});
}

std::vector<double> TestCall::Expected(int request, int row, int head) const {
  const TestRequest& lengths = shape_.requests[static_cast<std::size_t>(request)];
  const int start = Int(args.query_start_loc, {request});
  const int position = lengths.seq_len - lengths.q_len + row;
  const bool causal = shape_.type == ATTEST_DECODER && shape_.causality == ATTEST_CAUSAL;
  const auto columns = static_cast<std::size_t>(problem.head_dim_v);
  std::vector<double> sums(columns + 1, 0.0);  // the last one is the denominator
  if (shape_.sinks) sums[columns] = std::exp(Load(args.sinks, {head}));
  for (int k = 0; k < lengths.seq_len; ++k) {
    if (causal && k > position) continue;
    if (shape_.window_left != 0 && position - k >= shape_.window_left) continue;
    if (shape_.window_right != 0 && k - position >= shape_.window_right) continue;
    double product = 0;
    for (int d = 0; d < problem.head_dim_qk; ++d) {
      product += Load(args.query, {start + row, head, d}) *
                 LoadKey(false, request, k, head / shape_.group, d);
    }
    const double weight = std::exp(static_cast<double>(problem.scale) * product);
    sums[columns] += weight;
    for (std::size_t d = 0; d < columns; ++d) {
      sums[d] += weight * LoadKey(true, request, k, head / shape_.group, static_cast<int>(d));
    }
  }
  for (std::size_t d = 0; d < columns; ++d) sums[d] = sums[d] == 0 ? 0 : sums[d] / sums[columns];
  sums[columns] = std::log(sums[columns]);
  return sums;
}

std::string TestCall::FirstDifference() const {
  const double unit = problem.output_dtype.bits == 32 ? 0
                      : IsHalf(problem.output_dtype)  ? 0x1p-11
                                                      : 0x1p-8;
  for (int r = 0; r < problem.num_requests; ++r) {
    const int start = Int(args.query_start_loc, {r});
    for (int i = 0; i < shape_.requests[static_cast<std::size_t>(r)].q_len; ++i) {
      for (int h = 0; h < problem.num_q_heads; ++h) {
        const std::vector<double> expected = Expected(r, i, h);
        for (int d = 0; d <= problem.head_dim_v; ++d) {
          const double want = expected[static_cast<std::size_t>(d)];
          const bool is_lse = d == problem.head_dim_v;
          const double got =
              is_lse ? Load(args.lse, {start + i, h}) : Load(args.out, {start + i, h, d});
          const double allowed = 2e-4 + (is_lse ? 0 : unit * std::fabs(want));
          if (want == got || std::fabs(want - got) <= allowed) continue;
          return "request " + std::to_string(r) + " row " + std::to_string(i) + " head " +
                 std::to_string(h) + " column " + std::to_string(d) + ": " + std::to_string(got) +
                 " is not " + std::to_string(want);
        }
      }
    }
  }
  return {};
}

attest_status_t TestCall::Run(const char* options, std::string* message) {
  Untouch();
  void* const library = dlopen(ATTEST_CPU_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return ATTEST_INTERNAL;
  const auto open = reinterpret_cast<attest_backend_open_t>(dlsym(library, "attest_backend_open"));
  attest_backend_t backend = {};
  backend.struct_size = sizeof(backend);
  attest_error_t error = {};
  attest_status_t status = open(ATTEST_ABI_VERSION, "", options, &backend, &error);
  if (status == ATTEST_OK) {
    status = backend.forward(backend.self, &problem, &args, &error);
    backend.close(backend.self);
  }
  if (message != nullptr) *message = error.message;
  dlclose(library);
  return status;
}

void TestCall::Untouch() {
  const std::size_t outputs = buffers_.size() - 2;  // out and lse were added last
  for (std::size_t i = outputs; i < buffers_.size(); ++i) {
    std::fill(buffers_[i].begin(), buffers_[i].end(), std::byte{kUntouched});
  }
}

bool TestCall::OutputsUntouched() const {
  return std::all_of(buffers_.end() - 2, buffers_.end(), [](const auto& buffer) {
    return std::all_of(buffer.begin(), buffer.end(),
                       [](std::byte byte) { return byte == std::byte{kUntouched}; });
  });
}

std::vector<std::uint32_t> TestCall::Bits(std::int64_t first, std::int64_t last) const {
  std::vector<std::uint32_t> bits;
  for (std::int64_t t = first; t < last; ++t) {
    for (std::int64_t h = 0; h < problem.num_q_heads; ++h) {
      for (std::int64_t d = 0; d < problem.head_dim_v; ++d) {
        std::memcpy(&bits.emplace_back(), Address(args.out, {t, h, d}),
                    problem.output_dtype.bits / 8);
      }
      std::memcpy(&bits.emplace_back(), Address(args.lse, {t, h}), 4);
    }
  }
  return bits;
}

}  // namespace attest::cpu
