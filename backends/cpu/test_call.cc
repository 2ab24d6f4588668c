// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/test_call.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
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

attest_dtype_t PickCacheDType(std::mt19937& random) {
  const attest_dtype_t dtypes[] = {kTestFloat32,  kTestFloat16, kTestBFloat16, kTestE4M3FN,
                                   kTestE4M3FNUZ, kTestE5M2,    kTestInt8};
  return dtypes[random() % 7];
}

// A pattern whose number is near `value`; of infinity if that is what it is, and there is one.
std::byte ByteOf(attest_dtype_t dtype, double value) {
  if (dtype.code == ATTEST_INT) return static_cast<std::byte>(static_cast<int>(value * 60));
  static const auto tables = [] {
    std::array<std::array<double, 256>, 3> all = {};
    for (const attest_dtype_t type : {kTestE4M3FN, kTestE4M3FNUZ, kTestE5M2}) {
      for (std::size_t bits = 0; bits < 256; ++bits) {
        all[type.code - ATTEST_FLOAT8_E4M3FN][bits] = NumberOfByte(type, static_cast<int>(bits));
      }
    }
    return all;
  }();
  const auto& numbers = tables[dtype.code - ATTEST_FLOAT8_E4M3FN];
  std::size_t best = 0;
  for (std::size_t bits = 0; bits < 256; ++bits) {
    if (numbers[bits] == value) return static_cast<std::byte>(bits);
    if (std::fabs(numbers[bits] - value) < std::fabs(numbers[best] - value)) best = bits;
  }
  return static_cast<std::byte>(best);
}

void AddRandomCache(std::mt19937& random, TestShape& s) {
  s.cache_dtype = PickCacheDType(random);
  if (s.cache_dtype.bits == 8) {
    s.scales = static_cast<attest_kv_scale_kind_t>(random() % 4);
    if (s.cache_dtype.code == ATTEST_INT) s.scales = ATTEST_KV_SCALE_PER_TOKEN_HEAD;
  }
  s.same_pages = random() % 6 == 0;
  if (random() % 4 == 0) {
    s.layout = ATTEST_KV_X_SPLIT;
    s.head_dim_qk = Pick(random, {16, 32, 48});
  } else if (random() % 4 == 0 && s.scales <= ATTEST_KV_SCALE_PER_TENSOR) {
    s.latent = true;
    s.head_dim_v = std::min(s.head_dim_v, s.head_dim_qk);
  }
}

// Every second shape has none of them.
void AddRandomFeatures(std::mt19937& random, TestShape& s) {
  if (random() % 2 == 0) return;
  if (s.type != ATTEST_ENCODER_ONLY) AddRandomCache(random, s);
  if (random() % 3 == 0) s.softcap = 1.5F;
  s.alibi = s.type != ATTEST_ENCODER_DECODER && random() % 3 == 0;
  s.mask = static_cast<attest_mask_kind_t>(std::max(Pick(random, {-1, 0, 1, 2}), 0));
  s.mask_dtype = random() % 2 == 0 ? kTestFloat32 : s.query_dtype;
  s.mask_broadcast = random() % 2 == 0;
  if (s.type != ATTEST_DECODER) return;
  switch (random() % 5) {
    case 0:
      s.causality = ATTEST_CAUSAL;
      s.local_block_size = Pick(random, {1, 7, 32, 100});
      s.local_block_lookback = Pick(random, {0, 1, 3});
      return;
    case 1:
      s.causality = ATTEST_CAUSAL;
      s.tree = true;
      s.window_left = s.window_right = 0;
      return;
    case 2:
      for (std::size_t r = 0; r < s.requests.size(); ++r) {
        s.request_causal.push_back(random() % 2 == 0);
      }
      return;
    default:
      s.prefix_clamped = s.window_left > 0 && random() % 2 == 0;
      for (int i = 0; i < 4; ++i) {
        const int first = static_cast<int>(random() % 120);
        s.prefix_ranges.push_back({static_cast<int>(random() % s.requests.size()), first,
                                   first + Pick(random, {0, 1, 20, 90})});
      }
  }
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
  AddRandomFeatures(random, s);
  return s;
}

double NumberOfByte(attest_dtype_t dtype, int bits) {
  if (dtype.code == ATTEST_INT) return bits < 128 ? bits : bits - 256;
  const bool unsigned_nan = dtype.code == ATTEST_FLOAT8_E4M3FNUZ;
  const bool wide_exponent = dtype.code == ATTEST_FLOAT8_E5M2;
  const int fraction_bits = wide_exponent ? 2 : 3;
  const int bias = wide_exponent ? 15 : (unsigned_nan ? 8 : 7);
  const int magnitude = bits & 0x7f;
  const double sign = bits >= 0x80 ? -1 : 1;
  if (unsigned_nan && bits == 0x80) return kNan;
  if (dtype.code == ATTEST_FLOAT8_E4M3FN && magnitude == 0x7f) return kNan;
  if (wide_exponent && magnitude >= 0x7c) return magnitude == 0x7c ? sign * INFINITY : kNan;
  const int exponent = magnitude >> fraction_bits;
  const int fraction = magnitude & ((1 << fraction_bits) - 1);
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

namespace {

double LoadNumber(attest_dtype_t dtype, const std::byte* address) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, address, dtype.bits / 8);
  if (dtype.bits == 8) return NumberOfByte(dtype, static_cast<int>(bits));
  if (dtype.bits == 32) return std::bit_cast<float>(bits);
  if (!IsHalf(dtype)) return std::bit_cast<float>(bits << 16);
  const int exponent = static_cast<int>(bits >> 10) & 31;
  const int fraction = static_cast<int>(bits & 1023);
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) return fraction == 0 ? sign * INFINITY : kNan;
  return sign *
         (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25));
}

// `value` is a number of the type, and of normal size where that is float16. 8-bit types take a
// number near it.
void StoreNumber(attest_dtype_t dtype, double value, std::byte* address) {
  if (dtype.bits == 8) {
    *address = ByteOf(dtype, value);
    return;
  }
  auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  if (IsHalf(dtype)) {
    const std::uint32_t magnitude = bits & 0x7fffffffU;
    const std::uint32_t narrow = std::isinf(value) ? 0x7c00U
                                 : magnitude == 0  ? 0U
                                                   : (magnitude - 0x38000000U) >> 13;
    bits = (bits >> 16 & 0x8000U) | narrow;
  } else if (dtype.bits == 16) {
    bits >>= 16;
  }
  std::memcpy(address, &bits, dtype.bits / 8);
}

}  // namespace

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
    AddCache();
  }
  AddMasks();
  args.out = Add(problem.output_dtype, {rows, hq, dv}, odd);
  args.lse = Add(kTestFloat32, {rows, hq}, odd);
  for (int r = 0; r < static_cast<int>(shape.requests.size()); ++r) FillRequest(r);
}

void TestCall::AddCache() {
  const std::int64_t pages = problem.num_blocks;
  const std::int64_t slots = problem.block_size;
  const std::int64_t heads = problem.num_kv_heads;
  const std::int64_t d = problem.head_dim_qk;
  const std::int64_t dv = problem.head_dim_v;
  const attest_dtype_t dtype = problem.cache_dtype;
  const bool odd = shape_.odd_strides;
  if (shape_.layout == ATTEST_KV_X_SPLIT) {
    const std::int64_t x = 16 / (dtype.bits / 8);
    args.key_cache = Add(dtype, {pages, heads, d / x, slots, x}, odd);
    args.value_cache = Add(dtype, {pages, heads, dv, slots}, odd);
  } else {
    args.key_cache = Add(dtype, {pages, slots, heads, d}, odd);
    if (!shape_.latent) {
      args.value_cache = Add(dtype, {pages, slots, heads, dv}, odd);
    } else {
      args.value_cache = args.key_cache;
      extents_.push_back({pages, slots, heads, dv});
      args.value_cache.shape = extents_.back().data();
    }
  }
  if (shape_.scales != ATTEST_KV_SCALE_NONE) FillScales();
}

// Scales of keys and values differ; those of slots that nobody owns are NaN.
void TestCall::FillScales() {
  const bool token = shape_.scales == ATTEST_KV_SCALE_PER_TOKEN_HEAD;
  const bool head = token || shape_.scales == ATTEST_KV_SCALE_PER_HEAD;
  const std::int64_t shape[] = {problem.num_blocks, problem.block_size, problem.num_kv_heads};
  for (attest_tensor_t* scale : {&args.key_scale, &args.value_scale}) {
    *scale = Add(kTestFloat32, {shape[0], shape[1], shape[2]}, shape_.odd_strides);
    if (!token) scale->strides[0] = scale->strides[1] = 0;
    if (!head) scale->strides[2] = 0;
    const double unit = problem.cache_dtype.code == ATTEST_INT ? 1.0 / 64 : 1.0;
    const double side = scale == &args.key_scale || shape_.latent ? 0.5 : 0.75;
    for (int h = 0; h < shape[2] && !token; ++h) Store(*scale, {0, 0, h}, side + (head ? h : 0));
    if (!token) continue;
    for (int r = 0; r < problem.num_requests; ++r) {
      for (int k = 0; k < shape_.requests[static_cast<std::size_t>(r)].seq_len; ++k) {
        for (int h = 0; h < shape[2]; ++h) {
          Store(*scale,
                {Int(args.block_table, {r, k / shape_.block_size}), k % shape_.block_size, h},
                unit * (side + 0.25 * h + k % 8 / 16.0));
        }
      }
    }
  }
}

void TestCall::AddMasks() {
  std::mt19937 random(shape_.seed + 77);
  constexpr attest_dtype_t kBool = {ATTEST_BOOL, 8, 1};
  const bool odd = shape_.odd_strides;
  if (!shape_.request_causal.empty()) {
    args.request_causal = Add(kBool, {problem.num_requests}, odd);
    for (int r = 0; r < problem.num_requests; ++r) {
      const bool causal = shape_.request_causal[static_cast<std::size_t>(r)];
      *Address(args.request_causal, {r}) = std::byte{causal};
    }
  }
  if (shape_.alibi) {
    args.alibi_slopes = Add(kTestFloat32, {problem.num_q_heads}, odd);
    for (int h = 0; h < problem.num_q_heads; ++h) Store(args.alibi_slopes, {h}, 0.25 - 0.125 * h);
  }
  if (!shape_.prefix_ranges.empty()) {
    const auto count = static_cast<std::int64_t>(shape_.prefix_ranges.size());
    args.prefix_ranges = Add({ATTEST_INT, 64, 1}, {count, 3}, odd);
    for (std::int64_t i = 0; i < count; ++i) {
      const TestRange& range = shape_.prefix_ranges[static_cast<std::size_t>(i)];
      const std::int64_t row[] = {range.request, range.first, range.last};
      for (int j = 0; j < 3; ++j) std::memcpy(Address(args.prefix_ranges, {i, j}), row + j, 8);
    }
  }
  if (shape_.tree) {
    args.tree_mask = Add(kBool, {problem.num_actual_tokens, problem.max_query_len + 3}, odd);
    for (int r = 0; r < problem.num_requests; ++r) {
      const int q_len = shape_.requests[static_cast<std::size_t>(r)].q_len;
      for (int i = 0; i < q_len; ++i) {
        for (int j = 0; j < q_len; ++j) {
          *Address(args.tree_mask, {Int(args.query_start_loc, {r}) + i, j}) =
              std::byte{i == j || random() % 3 == 0};
        }
      }
    }
  }
  if (shape_.mask == ATTEST_MASK_NONE) return;
  const bool boolean = shape_.mask == ATTEST_MASK_BOOLEAN;
  args.custom_mask = Add(
      boolean ? kBool : shape_.mask_dtype,
      {problem.num_requests, problem.num_q_heads, problem.max_query_len, problem.max_seq_len}, odd);
  if (shape_.mask_broadcast) args.custom_mask.strides[0] = args.custom_mask.strides[1] = 0;
  for (int r = 0; r < problem.num_requests; ++r) {
    const TestRequest& lengths = shape_.requests[static_cast<std::size_t>(r)];
    for (int h = 0; h < problem.num_q_heads; ++h) {
      for (int i = 0; i < lengths.q_len; ++i) {
        for (int k = 0; k < lengths.seq_len; ++k) {
          const bool gone = random() % 3 == 0;
          const double bias = gone ? -INFINITY : RandomNumber(random);
          if (boolean) *Address(args.custom_mask, {r, h, i, k}) = std::byte{!gone};
          if (!boolean) Store(args.custom_mask, {r, h, i, k}, bias);
        }
      }
    }
  }
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
  problem.causality =
      shape_.request_causal.empty() ? shape_.causality : ATTEST_CAUSALITY_PER_REQUEST;
  problem.flags = ATTEST_FLAG_LSE;
  const auto flag = [this](bool set, std::uint32_t bit) { problem.flags |= set ? bit : 0U; };
  flag(shape_.sinks, ATTEST_FLAG_SINKS);
  flag(shape_.alibi, ATTEST_FLAG_ALIBI);
  flag(!shape_.prefix_ranges.empty(), ATTEST_FLAG_PREFIX_RANGES);
  flag(shape_.prefix_clamped, ATTEST_FLAG_PREFIX_CLAMPED);
  flag(shape_.tree, ATTEST_FLAG_TREE_MASK);
  flag(shape_.latent, ATTEST_FLAG_VALUE_IS_KEY_PREFIX);
  flag(shape_.same_pages, ATTEST_FLAG_PAGE_ALIASING);
  problem.softcap = shape_.softcap;
  problem.local_block_size = shape_.local_block_size;
  problem.local_block_lookback = shape_.local_block_lookback;
  problem.custom_mask_kind = shape_.mask;
  problem.kv_layout = shape_.layout;
  problem.kv_scale_kind = shape_.scales;
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
      if (i > 0 && shape_.same_pages) {
        entry = Int(args.block_table, {r, 0});
        continue;
      }
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
      for (int d = 0; d < problem.head_dim_v && !shape_.latent; ++d) {
        StoreKey(true, request, k, h, d, RandomNumber(random));
      }
    }
  }
}

double TestCall::Load(const attest_tensor_t& tensor,
                      std::initializer_list<std::int64_t> index) const {
  return LoadNumber(tensor.dtype, Address(tensor, index));
}

void TestCall::Store(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index,
                     double value) {
  StoreNumber(tensor.dtype, value, Address(tensor, index));
}

void TestCall::StoreBool(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index,
                         bool value) {
  *Address(tensor, index) = std::byte{value};
}

attest_dtype_t TestCall::KeyDType() const {
  return shape_.type == ATTEST_ENCODER_ONLY ? problem.query_dtype : problem.cache_dtype;
}

std::byte* TestCall::KeyAddress(bool value_side, int request, int key, int head, int column) const {
  if (shape_.type == ATTEST_ENCODER_ONLY) {
    const int start = Int(args.query_start_loc, {request});
    return Address(value_side ? args.value : args.key, {start + key, head, column});
  }
  const std::int64_t page = Int(args.block_table, {request, key / shape_.block_size});
  const int slot = key % shape_.block_size;
  const attest_tensor_t& cache = value_side ? args.value_cache : args.key_cache;
  if (shape_.layout != ATTEST_KV_X_SPLIT) return Address(cache, {page, slot, head, column});
  if (value_side) return Address(cache, {page, head, column, slot});
  const int x = 16 / (problem.cache_dtype.bits / 8);
  return Address(cache, {page, head, column / x, slot, column % x});
}

void TestCall::StoreKey(bool value_side, int request, int key, int head, int column, double value) {
  StoreNumber(KeyDType(), value, KeyAddress(value_side, request, key, head, column));
}

double TestCall::LoadKey(bool value_side, int request, int key, int head, int column) const {
  const double stored = LoadNumber(KeyDType(), KeyAddress(value_side, request, key, head, column));
  if (shape_.scales == ATTEST_KV_SCALE_NONE) return stored;
  const std::int64_t page = Int(args.block_table, {request, key / shape_.block_size});
  return stored * Load(value_side ? args.value_scale : args.key_scale,
                       {page, key % shape_.block_size, head});
}

void TestCall::StoreScales(int request, int key, int head, double value) {
  const std::int64_t page = Int(args.block_table, {request, key / shape_.block_size});
  for (const attest_tensor_t* scale : {&args.key_scale, &args.value_scale}) {
    Store(*scale, {page, key % shape_.block_size, head}, value);
  }
}

void TestCall::CopyRequest(const TestCall& other) {
  const TestRequest& mine = shape_.requests[0];
  const int skipped = other.shape_.requests[0].q_len - mine.q_len;
  for (int i = 0; i < mine.q_len; ++i) {
    for (int h = 0; h < problem.num_q_heads; ++h) {
      for (int d = 0; d < problem.head_dim_qk; ++d) {
        Store(args.query, {i, h, d}, other.Load(other.args.query, {skipped + i, h, d}));
      }
    }
  }
  const auto bytes = static_cast<std::size_t>(KeyDType().bits / 8);
  for (int k = 0; k < mine.seq_len; ++k) {
    for (int h = 0; h < problem.num_kv_heads; ++h) {
      for (const bool value_side : {false, true}) {
        for (int d = 0; d < (value_side ? problem.head_dim_v : problem.head_dim_qk); ++d) {
          std::memcpy(KeyAddress(value_side, 0, k, h, d), other.KeyAddress(value_side, 0, k, h, d),
                      bytes);
        }
      }
    }
  }
}

bool TestCall::InBand(int request, int row, int key) const {
  const TestRequest& lengths = shape_.requests[static_cast<std::size_t>(request)];
  const int position = lengths.seq_len - lengths.q_len + row;
  bool causal = shape_.type == ATTEST_DECODER && problem.causality == ATTEST_CAUSAL;
  if (shape_.type == ATTEST_DECODER && !shape_.request_causal.empty()) {
    causal = shape_.request_causal[static_cast<std::size_t>(request)];
  }
  if (causal && key > position) return false;
  if (shape_.window_left != 0 && position - key >= shape_.window_left) return false;
  if (shape_.window_right != 0 && key - position >= shape_.window_right) return false;
  return shape_.local_block_size == 0 ||
         position / shape_.local_block_size - key / shape_.local_block_size <=
             shape_.local_block_lookback;
}

bool TestCall::Visible(int request, int row, int head, int key) const {
  const TestRequest& lengths = shape_.requests[static_cast<std::size_t>(request)];
  const int position = lengths.seq_len - lengths.q_len + row;
  bool visible = shape_.tree || InBand(request, row, key);
  for (const TestRange& range : shape_.prefix_ranges) {
    const bool inside = range.request == request && range.first <= position &&
                        position <= range.last && range.first <= key && key <= range.last;
    if (inside && !(shape_.prefix_clamped && position - key >= shape_.window_left)) visible = true;
  }
  const int token = key - (lengths.seq_len - lengths.q_len);
  if (shape_.tree && token >= 0) {
    const int start = Int(args.query_start_loc, {request});
    visible = *Address(args.tree_mask, {start + row, token}) == std::byte{1};
  }
  if (shape_.mask == ATTEST_MASK_BOOLEAN) {
    visible = visible && *Address(args.custom_mask, {request, head, row, key}) == std::byte{1};
  }
  return visible && BiasOf(request, row, head, key) != -INFINITY;
}

double TestCall::BiasOf(int request, int row, int head, int key) const {
  const TestRequest& lengths = shape_.requests[static_cast<std::size_t>(request)];
  const int position = lengths.seq_len - lengths.q_len + row;
  double bias = 0;
  if (shape_.mask == ATTEST_MASK_ADDITIVE) bias = Load(args.custom_mask, {request, head, row, key});
  if (shape_.alibi) bias -= Load(args.alibi_slopes, {head}) * std::abs(position - key);
  return bias;
}

double TestCall::ScoreOf(int request, int row, int head, int key) const {
  const int start = Int(args.query_start_loc, {request});
  double product = 0;
  for (int d = 0; d < problem.head_dim_qk; ++d) {
    product += Load(args.query, {start + row, head, d}) *
               LoadKey(false, request, key, head / shape_.group, d);
  }
  double score = static_cast<double>(problem.scale) * product;
  if (shape_.softcap > 0) score = shape_.softcap * std::tanh(score / shape_.softcap);
  return score + BiasOf(request, row, head, key);
}

std::vector<double> TestCall::Expected(int request, int row, int head) const {
  const auto columns = static_cast<std::size_t>(problem.head_dim_v);
  std::vector<int> keys;
  std::vector<double> scores;
  double maximum = shape_.sinks ? Load(args.sinks, {head}) : -INFINITY;
  for (int k = 0; k < shape_.requests[static_cast<std::size_t>(request)].seq_len; ++k) {
    if (!Visible(request, row, head, k)) continue;
    keys.push_back(k);
    scores.push_back(ScoreOf(request, row, head, k));
    maximum = std::max(maximum, scores.back());
  }
  std::vector<double> sums(columns + 1, 0.0);  // the last one is the denominator
  if (shape_.sinks) sums[columns] = std::exp(Load(args.sinks, {head}) - maximum);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const double weight = std::exp(scores[i] - maximum);
    sums[columns] += weight;
    for (std::size_t d = 0; d < columns; ++d) {
      sums[d] += weight * LoadKey(true, request, keys[i], head / shape_.group, static_cast<int>(d));
    }
  }
  for (std::size_t d = 0; d < columns; ++d) sums[d] = sums[d] == 0 ? 0 : sums[d] / sums[columns];
  sums[columns] = sums[columns] == 0 ? -INFINITY : maximum + std::log(sums[columns]);
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

attest_backend_t& TestCall::Backend() {
  static attest_backend_t backend = [] {
    attest_backend_t opened = {};
    opened.struct_size = sizeof(opened);
    void* const library = dlopen(ATTEST_CPU_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    const auto open =
        reinterpret_cast<attest_backend_open_t>(dlsym(library, "attest_backend_open"));
    open(ATTEST_ABI_VERSION, "", "threads=1", &opened, nullptr);
    return opened;
  }();
  return backend;
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
