// SPDX-License-Identifier: Apache-2.0
#include "conformance/testing/planted/small_call.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <random>

#include "conformance/testing/planted/elements.h"

namespace attest {
namespace {

constexpr int kHeads = 4;
constexpr int kKvHeads = 2;
constexpr int kDim = 8;
constexpr int kBlock = 4;
constexpr attest_dtype_t kFloat32 = {ATTEST_FLOAT, 32, 1};
constexpr attest_dtype_t kInt32 = {ATTEST_INT, 32, 1};
constexpr std::uint32_t kUntouched = 0x7fc01234;

std::int64_t PagesOf(int seq_len) { return (seq_len + kBlock - 1) / kBlock; }

}  // namespace

// Deques, because tensors point into their elements.
struct SmallCall::Memory {
  std::deque<std::vector<std::byte>> buffers;
  std::deque<std::vector<std::int64_t>> extents;
  std::mt19937 random{7};

  // A dense tensor of zeros.
  attest_tensor_t Add(attest_dtype_t dtype, const std::vector<std::int64_t>& shape) {
    std::int64_t count = 1;
    std::vector<std::int64_t> strides(shape.size());
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      strides[axis] = count;
      count *= shape[axis];
    }
    buffers.emplace_back(static_cast<std::size_t>(count) * dtype.bits / 8 + 8);
    extents.push_back(shape);
    std::int64_t* const shape_data = extents.back().data();
    extents.push_back(strides);
    return {buffers.back().data(),
            {ATTEST_DEVICE_CPU, 0},
            static_cast<std::int32_t>(shape.size()),
            dtype,
            shape_data,
            extents.back().data(),
            0};
  }

  void Line(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index, float size) {
    std::uniform_real_distribution<double> uniform(-size, size);
    std::byte* element = AddressOf(tensor, index);
    for (int d = 0; d < kDim; ++d) {
      StoreAs(ElementTypeOf(tensor.dtype), uniform(random), element);
      element += tensor.dtype.bits / 8;
    }
  }
};

SmallCall::SmallCall(const SmallShape& shape) : memory_(std::make_unique<Memory>()) {
  FillProblem(shape);
  FillMetadata(shape);
  const attest_dtype_t real = problem_.query_dtype;
  const std::int64_t rows = problem_.num_actual_tokens + 1;
  args_.query = memory_->Add(real, {rows, kHeads, kDim});
  for (std::int64_t t = 0; t < rows; ++t) {
    for (int h = 0; h < kHeads; ++h) memory_->Line(args_.query, {t, h}, shape.query_size);
  }
  for (attest_tensor_t* packed : {&args_.key, &args_.value}) {
    if (shape.type != ATTEST_ENCODER_ONLY) break;
    *packed = memory_->Add(real, {rows, kKvHeads, kDim});
    for (std::int64_t t = 0; t < rows; ++t) {
      for (int h = 0; h < kKvHeads; ++h) memory_->Line(*packed, {t, h}, 1.0F);
    }
  }
  for (attest_tensor_t* cache : {&args_.key_cache, &args_.value_cache}) {
    if (shape.type != ATTEST_ENCODER_ONLY) FillCache(shape, *cache);
  }
}

void SmallCall::FillProblem(const SmallShape& shape) {
  const bool paged = shape.type != ATTEST_ENCODER_ONLY;
  std::int64_t pages = 1;  // page 0 is nobody's
  for (const auto& [q_len, seq_len] : shape.requests) {
    problem_.num_actual_tokens += q_len;
    pages += PagesOf(seq_len);
    problem_.max_query_len = std::max<std::int64_t>(problem_.max_query_len, q_len);
    problem_.max_seq_len = std::max<std::int64_t>(problem_.max_seq_len, seq_len);
  }
  problem_.struct_size = sizeof(problem_);
  problem_.attention_type = shape.type;
  problem_.causality = shape.causality;
  problem_.flags = ATTEST_FLAG_LSE;
  if (shape.sinks) problem_.flags |= ATTEST_FLAG_SINKS;
  problem_.query_dtype = {ATTEST_FLOAT, static_cast<std::uint8_t>(shape.half ? 16 : 32), 1};
  problem_.cache_dtype = problem_.output_dtype = problem_.query_dtype;
  problem_.num_q_heads = kHeads;
  problem_.num_kv_heads = kKvHeads;
  problem_.head_dim_qk = problem_.head_dim_v = kDim;
  problem_.scale = shape.scale;
  problem_.window_left = shape.window_left;
  problem_.window_right = shape.window_right;
  problem_.num_requests = static_cast<std::int64_t>(shape.requests.size());
  if (!paged) return;
  problem_.block_size = kBlock;
  problem_.num_blocks = pages;
  problem_.block_table_width = PagesOf(problem_.max_seq_len) + 1;
}

void SmallCall::FillMetadata(const SmallShape& shape) {
  const std::int64_t requests = problem_.num_requests;
  const std::int64_t rows = problem_.num_actual_tokens + 1;
  const std::int64_t width = problem_.block_table_width;
  args_.struct_size = sizeof(args_);
  args_.out = memory_->Add(problem_.output_dtype, {rows, kHeads, kDim});
  args_.lse = memory_->Add(kFloat32, {rows, kHeads});
  args_.query_start_loc = memory_->Add(kInt32, {requests + 1});
  args_.seq_lens = memory_->Add(kInt32, {requests});
  args_.block_table = memory_->Add(kInt32, {requests, width});
  args_.sinks = memory_->Add(kFloat32, {kHeads});
  auto* starts = static_cast<std::int32_t*>(args_.query_start_loc.data);
  auto* lengths = static_cast<std::int32_t*>(args_.seq_lens.data);
  auto* table = static_cast<std::int32_t*>(args_.block_table.data);
  auto page = static_cast<std::int32_t>(problem_.num_blocks);
  for (const auto& [q_len, seq_len] : shape.requests) {
    starts[1] = starts[0] + q_len;
    ++starts;
    *lengths++ = seq_len;
    for (std::int64_t i = 0; width > 0 && i < PagesOf(seq_len); ++i) table[i] = --page;
    table += width;
  }
  for (int h = 0; h < kHeads; ++h) {
    static_cast<float*>(args_.sinks.data)[h] = 0.5F * static_cast<float>(h + 1);
  }
}

void SmallCall::FillCache(const SmallShape& shape, attest_tensor_t& cache) {
  const std::int64_t pages = problem_.num_blocks;
  const attest_dtype_t real = problem_.cache_dtype;
  cache = shape.heads_first ? memory_->Add(real, {pages, kKvHeads, kBlock, kDim})
                            : memory_->Add(real, {pages, kBlock, kKvHeads, kDim});
  if (shape.heads_first) {
    std::swap(cache.shape[1], cache.shape[2]);
    std::swap(cache.strides[1], cache.strides[2]);
  }
  const std::int64_t elements = pages * kBlock * kKvHeads * kDim;
  for (std::int64_t i = 0; i < elements; ++i) {
    StoreAs(ElementTypeOf(real), shape.dead, AddressOf(cache, {}) + i * (real.bits / 8));
  }
  for (std::size_t r = 0; r < shape.requests.size(); ++r) {
    for (int k = 0; k < shape.requests[r].second; ++k) {
      const auto row = static_cast<std::int64_t>(r);
      const std::int32_t page =
          *reinterpret_cast<const std::int32_t*>(AddressOf(args_.block_table, {row, k / kBlock}));
      for (int h = 0; h < kKvHeads; ++h) memory_->Line(cache, {page, k % kBlock, h}, 1.0F);
    }
  }
}

SmallCall::~SmallCall() = default;

std::vector<std::uint32_t> SmallCall::Run(const char* path, const char* selector) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {};
  const auto open = reinterpret_cast<attest_backend_open_t>(dlsym(library, "attest_backend_open"));
  attest_backend_t backend = {};
  backend.struct_size = sizeof(backend);
  std::vector<std::uint32_t> result;
  std::vector<std::byte>* const outputs[] = {&memory_->buffers[0], &memory_->buffers[1]};
  for (std::vector<std::byte>* output : outputs) {
    for (std::size_t i = 0; i + 4 <= output->size(); i += 4) {
      std::memcpy(output->data() + i, &kUntouched, 4);
    }
  }
  if (open != nullptr &&
      open(ATTEST_ABI_VERSION, selector, "threads=1", &backend, nullptr) == ATTEST_OK) {
    if (backend.forward(backend.self, &problem_, &args_, nullptr) == ATTEST_OK) {
      for (const std::vector<std::byte>* output : outputs) {
        const std::size_t words = output->size() / 4;
        result.resize(result.size() + words);
        std::memcpy(result.data() + result.size() - words, output->data(), words * 4);
      }
    }
    backend.close(backend.self);
  }
  dlclose(library);
  return result;
}

}  // namespace attest
