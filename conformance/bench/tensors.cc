// SPDX-License-Identifier: Apache-2.0
#include "conformance/bench/tensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <random>

namespace attest {
namespace {

// Numbers that differ; then they come again. A prime: no two rows of a tensor are alike.
constexpr std::size_t kPeriod = 1048573;

// bfloat16 by truncation: any number will do, as long as it is one.
std::vector<std::byte> Normals(DType dtype, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  const std::size_t size = SizeOf(dtype);
  std::vector<std::byte> bytes(size * count);
  for (std::size_t n = 0; n < std::min(count, kPeriod); ++n) {
    const std::uint64_t bits = engine();
    double sum = 0;  // of four uniforms: close to normal
    for (int part = 0; part < 4; ++part) sum += static_cast<double>((bits >> (16 * part)) & 0xffff);
    const auto value = static_cast<float>((sum / 65536.0 - 2.0) * 1.7320508);
    const std::uint32_t word = std::bit_cast<std::uint32_t>(value) >> (32 - 8 * size);
    for (std::size_t part = 0; part < size; ++part) {
      bytes[size * n + part] = static_cast<std::byte>((word >> (8 * part)) & 0xff);
    }
  }
  for (std::size_t done = kPeriod; done < count; done += kPeriod) {
    std::copy_n(bytes.begin(), size * std::min(kPeriod, count - done),
                bytes.begin() + static_cast<std::ptrdiff_t>(size * done));
  }
  return bytes;
}

TensorView ViewOf(const void* data, DType dtype, std::vector<std::int64_t> shape) {
  TensorView view{.data = static_cast<const std::byte*>(data), .dtype = dtype};
  view.strides = DenseStrides(shape);
  view.shape = std::move(shape);
  return view;
}

}  // namespace

Problem BenchProblem(DType dtype, Causality causality, std::int64_t q_len, std::int64_t seq_len,
                     int head_dim) {
  Problem problem;
  problem.query_dtype = problem.cache_dtype = problem.output_dtype = dtype;
  problem.causality = causality;
  problem.head_dim_qk = problem.head_dim_v = head_dim;
  problem.scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  problem.requests = {{.q_len = q_len, .seq_len = seq_len}};
  return problem;
}

BenchTensors MakeBenchTensors(const Problem& problem, std::uint64_t seed) {
  const Request request = problem.requests.front();
  const auto requests = static_cast<std::int64_t>(problem.requests.size());
  const std::int64_t pages = (request.seq_len + problem.block_size - 1) / problem.block_size;
  const std::int64_t heads = problem.num_kv_heads;
  const auto elements = [](std::initializer_list<std::int64_t> shape) {
    return static_cast<std::size_t>(
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
  };
  const std::int64_t blocks = requests * pages + 1;  // page 0 is nobody's
  const std::int64_t tokens = requests * request.q_len;
  BenchTensors tensors;
  tensors.query = Normals(problem.query_dtype,
                          elements({tokens, problem.num_q_heads, problem.head_dim_qk}), 3 * seed);
  tensors.key_cache =
      Normals(problem.cache_dtype,
              elements({blocks, problem.block_size, heads, problem.head_dim_qk}), 3 * seed + 1);
  tensors.value_cache =
      Normals(problem.cache_dtype,
              elements({blocks, problem.block_size, heads, problem.head_dim_v}), 3 * seed + 2);
  for (std::int64_t r = 0; r <= requests; ++r) {
    tensors.query_start_loc.push_back(static_cast<std::int32_t>(r * request.q_len));
  }
  tensors.seq_lens.assign(problem.requests.size(), static_cast<std::int32_t>(request.seq_len));
  tensors.block_table.resize(static_cast<std::size_t>(requests * pages));
  std::iota(tensors.block_table.begin(), tensors.block_table.end(), 1);
  AttentionTensors& views = tensors.views;
  views.query = ViewOf(tensors.query.data(), problem.query_dtype,
                       {tokens, problem.num_q_heads, problem.head_dim_qk});
  views.key_cache = ViewOf(tensors.key_cache.data(), problem.cache_dtype,
                           {blocks, problem.block_size, heads, problem.head_dim_qk});
  views.value_cache = ViewOf(tensors.value_cache.data(), problem.cache_dtype,
                             {blocks, problem.block_size, heads, problem.head_dim_v});
  views.query_start_loc = ViewOf(tensors.query_start_loc.data(), DType::kInt32, {requests + 1});
  views.seq_lens = ViewOf(tensors.seq_lens.data(), DType::kInt32, {requests});
  views.block_table = ViewOf(tensors.block_table.data(), DType::kInt32, {requests, pages});
  return tensors;
}

}  // namespace attest
