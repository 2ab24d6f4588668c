// SPDX-License-Identifier: Apache-2.0
#include "conformance/testing/zoo/zoo_call.h"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace zoo {
namespace {

using attest::CallImage;
using attest::DType;
using attest::PlacedTensor;

constexpr std::size_t kGap = 64;
constexpr int kHeadDim = 8;
constexpr int kBlockSize = 4;
constexpr int kNumBlocks = 5;
constexpr std::int64_t kTableWidth = 2;
const std::vector<std::int32_t> kQueryStartLoc = {0, 2, 5};
const std::vector<std::int32_t> kSeqLens = {4, 6};
const std::vector<std::int32_t> kBlockTable = {3, 99, 1, 4};  // one page, then two; 99 is unused

// Appends a dense tensor and a gap.
template <typename T>
void Place(CallImage& image, const char* name, DType dtype, std::vector<std::int64_t> shape,
           const std::vector<T>& values) {
  PlacedTensor tensor = {.name = name,
                         .dtype = dtype,
                         .shape = shape,
                         .strides = attest::DenseStrides(shape),
                         .offset = image.bytes.size(),
                         .output = std::string(name) == "out" || std::string(name) == "lse"};
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  image.bytes.insert(image.bytes.end(), bytes, bytes + values.size() * sizeof(T));
  image.bytes.resize((image.bytes.size() + kGap - 1) / kGap * kGap + kGap, std::byte{0xA5});
  image.tensors.push_back(std::move(tensor));
}

std::vector<float> Cache(bool value) {
  std::vector<float> cache(static_cast<std::size_t>(kNumBlocks * kBlockSize * kHeadDim), 777.0F);
  for (std::size_t r = 0; r < kSeqLens.size(); ++r) {
    for (int key = 0; key < kSeqLens[r]; ++key) {
      const int page = kBlockTable[r * kTableWidth + static_cast<std::size_t>(key / kBlockSize)];
      const int slot = page * kBlockSize + key % kBlockSize;
      for (int d = 0; d < kHeadDim; ++d) {
        cache[static_cast<std::size_t>(slot * kHeadDim + d)] =
            value ? static_cast<float>(key + 1) : 0.0F;
      }
    }
  }
  return cache;
}

attest_problem_t MakeProblem(int num_q_heads) {
  attest_problem_t problem = {};
  problem.struct_size = sizeof(problem);
  problem.flags = ATTEST_FLAG_LSE;
  problem.query_dtype = problem.cache_dtype = problem.output_dtype = {ATTEST_FLOAT, 32, 1};
  problem.num_q_heads = num_q_heads;
  problem.num_kv_heads = 1;
  problem.head_dim_qk = problem.head_dim_v = kHeadDim;
  problem.scale = 0.5F;
  problem.block_size = kBlockSize;
  problem.num_requests = 2;
  problem.num_actual_tokens = 5;
  problem.max_query_len = 3;
  problem.max_seq_len = 6;
  problem.num_blocks = kNumBlocks;
  problem.block_table_width = kTableWidth;
  return problem;
}

float ReadFloat(const CallImage& image, const PlacedTensor& tensor, std::size_t index) {
  float value = 0;
  std::memcpy(&value, image.bytes.data() + tensor.offset + sizeof(value) * index, sizeof(value));
  return value;
}

const PlacedTensor& Tensor(const CallImage& image, const std::string& name) {
  for (const PlacedTensor& tensor : image.tensors) {
    if (tensor.name == name) return tensor;
  }
  return image.tensors.front();
}

bool Near(float got, double wanted) { return std::fabs(got - wanted) <= 1e-6; }  // false for NaN

std::size_t NumElements(const PlacedTensor& tensor) {
  std::size_t count = 1;
  for (const std::int64_t size : tensor.shape) count *= static_cast<std::size_t>(size);
  return count;
}

}  // namespace

ZooCall MakeCall(int num_q_heads) {
  ZooCall call = {.problem = MakeProblem(num_q_heads), .image = {}};
  CallImage& image = call.image;
  image.bytes.resize(kGap, std::byte{0xA5});
  const auto heads = static_cast<std::size_t>(num_q_heads);
  const std::vector<float> rows(5 * heads * kHeadDim, 0.0F);
  const std::vector<float> new_tokens(5 * kHeadDim, 0.0F);
  Place(image, "query", DType::kFloat32, {5, num_q_heads, kHeadDim}, rows);
  Place(image, "key", DType::kFloat32, {5, 1, kHeadDim}, new_tokens);
  Place(image, "value", DType::kFloat32, {5, 1, kHeadDim}, new_tokens);
  Place(image, "key_cache", DType::kFloat32, {kNumBlocks, kBlockSize, 1, kHeadDim}, Cache(false));
  Place(image, "value_cache", DType::kFloat32, {kNumBlocks, kBlockSize, 1, kHeadDim}, Cache(true));
  Place(image, "query_start_loc", DType::kInt32, {3}, kQueryStartLoc);
  Place(image, "seq_lens", DType::kInt32, {2}, kSeqLens);
  Place(image, "block_table", DType::kInt32, {2, kTableWidth}, kBlockTable);
  Place(image, "out", DType::kFloat32, {5, num_q_heads, kHeadDim},
        std::vector<float>(rows.size(), kUnwritten));
  Place(image, "lse", DType::kFloat32, {5, num_q_heads}, std::vector<float>(5 * heads, kUnwritten));
  return call;
}

int WrongElements(const ZooCall& call, const CallImage& image) {
  const PlacedTensor& out = Tensor(image, "out");
  const PlacedTensor& lse = Tensor(image, "lse");
  const std::vector<int> seen = {3, 4, 4, 5, 6};  // keys that each of the five rows sees
  const auto heads = static_cast<std::size_t>(call.problem.num_q_heads);
  int wrong = 0;
  for (std::size_t row = 0; row < seen.size(); ++row) {
    for (std::size_t line = row * heads; line < (row + 1) * heads; ++line) {
      wrong += Near(ReadFloat(image, lse, line), std::log(seen[row])) ? 0 : 1;
      for (std::size_t d = 0; d < kHeadDim; ++d) {
        const double mean = (seen[row] + 1) / 2.0;
        wrong += Near(ReadFloat(image, out, line * kHeadDim + d), mean) ? 0 : 1;
      }
    }
  }
  return wrong;
}

int ChangedBytesOutsideOutputs(const ZooCall& call, const CallImage& image) {
  std::vector<std::byte> before = call.image.bytes;
  for (const char* name : {"out", "lse"}) {
    const PlacedTensor& tensor = Tensor(image, name);
    const std::size_t bytes = NumElements(tensor) * sizeof(float);
    std::memcpy(before.data() + tensor.offset, image.bytes.data() + tensor.offset, bytes);
  }
  int changed = 0;
  for (std::size_t i = 0; i < before.size(); ++i) changed += before[i] != image.bytes[i] ? 1 : 0;
  return changed;
}

}  // namespace zoo
