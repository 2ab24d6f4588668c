// SPDX-License-Identifier: Apache-2.0
#include "reference/testing/random_problem.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "reference/float_formats.h"

namespace attest::testing {
namespace {

std::int64_t PagesOf(const Problem& problem, std::size_t request) {
  const std::int64_t seq_len = problem.requests[request].seq_len;
  return (seq_len + problem.block_size - 1) / problem.block_size;
}

void BuildLengths(Random* random, Call* call, bool scattered) {
  const Problem& p = call->problem;
  const auto requests = static_cast<std::int64_t>(p.requests.size());
  const auto make = [&](const Index& shape) {
    return scattered ? MakeScattered(random, DType::kInt32, shape)
                     : MakeDense(DType::kInt32, shape);
  };
  call->query_start_loc = make({requests + 1});
  call->seq_lens = make({requests});
  std::int64_t start = 0;
  for (std::int64_t r = 0; r < requests; ++r) {
    const Request& request = p.requests[static_cast<std::size_t>(r)];
    SetInt32(&call->query_start_loc, {r}, static_cast<std::int32_t>(start));
    SetInt32(&call->seq_lens, {r}, static_cast<std::int32_t>(request.seq_len));
    start += request.q_len;
  }
  SetInt32(&call->query_start_loc, {requests}, static_cast<std::int32_t>(start));
}

void BuildQuery(Random* random, const Fill& fill, bool scattered, Call* call) {
  const Problem& p = call->problem;
  const Index shape = {NumTokens(p) + p.padding_tokens, p.num_q_heads, p.head_dim_qk};
  call->query =
      scattered ? MakeScattered(random, p.query_dtype, shape) : MakeDense(p.query_dtype, shape);
  for (std::int64_t token = 0; token < NumTokens(p); ++token) {
    for (std::int64_t head = 0; head < p.num_q_heads; ++head) {
      for (std::int64_t c = 0; c < p.head_dim_qk; ++c) {
        SetFloat(&call->query, {token, head, c}, fill.query(token, head, c));
      }
    }
  }
  if (!p.sinks) return;
  call->sinks = MakeDense(DType::kFloat32, {p.num_q_heads});
  for (std::int64_t head = 0; head < p.num_q_heads; ++head) {
    SetFloat(&call->sinks, {head}, fill.sink(head));
  }
}

void FillKey(const Fill& fill, std::size_t request, std::int64_t key, std::int64_t head,
             Index index, StoredTensor* keys, StoredTensor* values) {
  for (std::int64_t c = 0; c < keys->shape.back(); ++c) {
    index.back() = c;
    SetFloat(keys, index, fill.key(request, key, head, c));
  }
  for (std::int64_t c = 0; c < values->shape.back(); ++c) {
    index.back() = c;
    SetFloat(values, index, fill.value(request, key, head, c));
  }
}

void BuildPacked(Random* random, const Fill& fill, bool scattered, Call* call) {
  const Problem& p = call->problem;
  const auto make = [&](int width) {
    const Index shape = {NumTokens(p) + p.padding_tokens, p.num_kv_heads, width};
    return scattered ? MakeScattered(random, p.query_dtype, shape)
                     : MakeDense(p.query_dtype, shape);
  };
  call->key = make(p.head_dim_qk);
  call->value = make(p.head_dim_v);
  std::int64_t start = 0;
  for (std::size_t r = 0; r < p.requests.size(); ++r) {
    for (std::int64_t key = 0; key < p.requests[r].seq_len; ++key) {
      for (std::int64_t head = 0; head < p.num_kv_heads; ++head) {
        FillKey(fill, r, key, head, {start + key, head, 0}, &call->key, &call->value);
      }
    }
    start += p.requests[r].q_len;
  }
}

void BuildPaged(Random* random, const Fill& fill, bool scattered, Call* call) {
  const Problem& p = call->problem;
  std::int64_t pages = 0;
  std::int64_t width = 0;
  for (std::size_t r = 0; r < p.requests.size(); ++r) {
    pages += PagesOf(p, r);
    width = std::max(width, PagesOf(p, r));
  }
  std::vector<std::int32_t> order(static_cast<std::size_t>(pages) + 1);
  std::iota(order.begin(), order.end(), 1);  // page 0 is never live
  random->Shuffle(&order);
  const auto make = [&](int columns) {
    const Index shape = {pages + 2, p.block_size, p.num_kv_heads, columns};
    return scattered ? MakeScattered(random, p.cache_dtype, shape)
                     : MakeDense(p.cache_dtype, shape);
  };
  call->key_cache = make(p.head_dim_qk);
  call->value_cache = make(p.head_dim_v);
  const Index table = {static_cast<std::int64_t>(p.requests.size()), width + p.block_table_extra};
  call->block_table =
      scattered ? MakeScattered(random, DType::kInt32, table) : MakeDense(DType::kInt32, table);
  std::size_t next = 0;
  for (std::size_t r = 0; r < p.requests.size(); ++r) {
    const auto row = static_cast<std::int64_t>(r);
    for (std::int64_t key = 0; key < p.requests[r].seq_len; ++key) {
      if (key % p.block_size == 0) {
        SetInt32(&call->block_table, {row, key / p.block_size}, order[next++]);
      }
      for (std::int64_t head = 0; head < p.num_kv_heads; ++head) {
        FillKey(fill, r, key, head, {order[next - 1], key % p.block_size, head, 0},
                &call->key_cache, &call->value_cache);
      }
    }
  }
}

void PickMask(Random* random, Problem* p) {
  p->attention_type = random->Pick({AttentionType::kDecoder, AttentionType::kDecoder,
                                    AttentionType::kEncoderOnly, AttentionType::kEncoderDecoder});
  p->causality = random->Pick({Causality::kCausal, Causality::kNonCausal, Causality::kPerRequest});
  if (p->attention_type == AttentionType::kEncoderDecoder || random->OneIn(2)) return;
  if (!random->OneIn(4)) p->window_left = random->Int(1, 12);
  if (!random->OneIn(3)) p->window_right = random->OneIn(2) ? p->window_left : random->Int(1, 12);
}

void PickRequests(Random* random, Problem* p) {
  const std::int64_t count = random->Int(1, 4);
  for (std::int64_t r = 0; r < count; ++r) {
    Request request{
        .q_len = random->Pick<std::int64_t>({0, 1, 1, random->Int(1, 9)}),
        .seq_len = random->Pick<std::int64_t>({0, random->Int(1, 8), random->Int(1, 40)})};
    if (random->OneIn(2)) request.seq_len = std::max(request.seq_len, request.q_len);
    if (p->attention_type == AttentionType::kEncoderOnly) {
      request.q_len = request.seq_len = random->Int(0, 12);
    }
    p->requests.push_back(request);
    if (p->causality == Causality::kPerRequest) p->request_causal.push_back(random->OneIn(2));
  }
}

}  // namespace

TensorView StoredTensor::View() const {
  if (bytes.empty()) return {};
  return {bytes.data(), dtype, shape, strides};
}

std::byte* StoredTensor::At(const Index& index) {
  std::int64_t offset = 0;
  for (std::size_t axis = 0; axis < index.size(); ++axis) {
    offset += index[axis] * strides[axis];
  }
  return bytes.data() + offset * static_cast<std::int64_t>(SizeOf(dtype));
}

StoredTensor MakeTensor(DType dtype, const Index& shape, const Index& strides) {
  std::int64_t elements = 1;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    elements += std::max<std::int64_t>(shape[axis] - 1, 0) * strides[axis];
  }
  const std::size_t bytes = static_cast<std::size_t>(elements) * SizeOf(dtype);
  return {std::vector<std::byte>(bytes, std::byte{0xFF}), dtype, shape, strides};
}

StoredTensor MakeDense(DType dtype, const Index& shape) {
  return MakeTensor(dtype, shape, DenseStrides(shape));
}

StoredTensor MakeScattered(Random* random, DType dtype, const Index& shape) {
  std::vector<std::size_t> axes(shape.size());
  std::iota(axes.begin(), axes.end(), std::size_t{0});
  random->Shuffle(&axes);
  Index strides(shape.size());
  std::int64_t step = random->Int(1, 2);
  for (const std::size_t axis : axes) {
    strides[axis] = step;
    step = step * std::max<std::int64_t>(shape[axis], 1) + random->Int(0, 3);
  }
  return MakeTensor(dtype, shape, strides);
}

void SetInt32(StoredTensor* tensor, const Index& index, std::int32_t value) {
  std::memcpy(tensor->At(index), &value, sizeof(value));
}

void SetFloat(StoredTensor* tensor, const Index& index, double value) {
  StoreElement(tensor->dtype, value, tensor->At(index));
}

AttentionTensors Call::Tensors() const {
  return {.query = query.View(),
          .key = key.View(),
          .value = value.View(),
          .key_cache = key_cache.View(),
          .value_cache = value_cache.View(),
          .query_start_loc = query_start_loc.View(),
          .seq_lens = seq_lens.View(),
          .block_table = block_table.View(),
          .sinks = sinks.View()};
}

Call BuildCall(Random* random, const Problem& problem, const Fill& fill, bool scattered) {
  Call call;
  call.problem = problem;
  BuildLengths(random, &call, scattered);
  BuildQuery(random, fill, scattered, &call);
  if (problem.uses_paged_kv()) {
    BuildPaged(random, fill, scattered, &call);
  } else {
    BuildPacked(random, fill, scattered, &call);
  }
  return call;
}

Problem RandomProblem(Random* random) {
  Problem p;
  PickMask(random, &p);
  p.query_dtype = random->Pick({DType::kFloat32, DType::kFloat16, DType::kBFloat16});
  p.cache_dtype = random->OneIn(3)
                      ? random->Pick({DType::kFloat32, DType::kFloat16, DType::kBFloat16})
                      : p.query_dtype;
  p.output_dtype = p.query_dtype;
  p.num_kv_heads = static_cast<int>(random->Int(1, 3));
  p.num_q_heads = p.num_kv_heads * static_cast<int>(random->Int(1, 8));
  p.head_dim_qk = static_cast<int>(random->Int(1, 12));
  p.head_dim_v = random->OneIn(2) ? p.head_dim_qk : static_cast<int>(random->Int(1, 12));
  p.scale = random->Pick({1.0F, 0.3F, -0.7F, 2.5F});
  p.sinks = random->OneIn(3);
  p.block_size = p.uses_paged_kv() ? static_cast<int>(random->Int(1, 33)) : 0;
  p.block_table_extra = random->Int(0, 2);
  p.padding_tokens = random->Int(0, 2);
  PickRequests(random, &p);
  return p;
}

Fill RandomFill(Random* random) {
  const double size = random->Pick({0.01, 1.0, 1.0, 4.0});
  const auto number = [random, size](auto...) { return size * random->Normal(); };
  return {.query = number, .key = number, .value = number, .sink = [random](std::int64_t) {
            return 3.0 * random->Normal();
          }};
}

}  // namespace attest::testing
