// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/fake_backend.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "conformance/judge/rearrange.h"
#include "reference/float_formats.h"
#include "reference/merge.h"
#include "reference/second_writing.h"
#include "reference/write_kv.h"

namespace attest {
namespace {

std::int32_t Int32At(const TensorView& view, std::int64_t index) {
  std::int32_t value = 0;
  std::memcpy(&value, view.At({index}), sizeof(value));
  return value;
}

// Float32 throughout; causal and non-causal decoders, with windows and sinks or without.
Problem ReadProblem(const attest_problem_t& abi, const CallImage& image) {
  Problem problem;
  problem.causality = static_cast<Causality>(abi.causality);
  problem.query_dtype = problem.cache_dtype = problem.output_dtype = DType::kFloat32;
  problem.num_q_heads = abi.num_q_heads;
  problem.num_kv_heads = abi.num_kv_heads;
  problem.head_dim_qk = abi.head_dim_qk;
  problem.head_dim_v = abi.head_dim_v;
  problem.scale = abi.scale;
  problem.window_left = abi.window_left;
  problem.window_right = abi.window_right;
  problem.block_size = abi.block_size;
  problem.sinks = (abi.flags & ATTEST_FLAG_SINKS) != 0;
  problem.lse = (abi.flags & ATTEST_FLAG_LSE) != 0;
  const TensorView starts = image.View("query_start_loc");
  const TensorView lengths = image.View("seq_lens");
  for (std::int64_t r = 0; starts.present() && r < abi.num_requests; ++r) {
    problem.requests.push_back(
        {.q_len = Int32At(starts, r + 1) - Int32At(starts, r), .seq_len = Int32At(lengths, r)});
  }
  // Calls without lengths: the tokens are all there is to know.
  if (!starts.present()) {
    problem.requests = {{.q_len = abi.num_actual_tokens, .seq_len = abi.num_actual_tokens}};
  }
  return problem;
}

void Store(CallImage& image, const char* name, const std::vector<std::int64_t>& index,
           double value) {
  StoreElement(DType::kFloat32, value, Writable(image, *image.Find(name), index));
}

CallResult Answered(int status = ATTEST_OK) {
  return {.end = CallEnd::kAnswered, .status = status, .message = {}, .output_tail = {}};
}

CallResult CannotStart() {
  return {.end = CallEnd::kCannotStart, .status = 0, .message = "no memory", .output_tail = {}};
}

Claims AllClaims() {
  Claims claims;
  claims.name = "fake";
  claims.features = ~std::uint64_t{0};
  claims.query_dtypes = claims.cache_dtypes = claims.output_dtypes = {DType::kFloat32};
  claims.head_dims = {{1, 512, 1}};
  claims.group_sizes = {{1, 16, 1}};
  claims.block_sizes = {{1, 256, 1}};
  return claims;
}

}  // namespace

FakeBackend::FakeBackend(Sins sins) : sins_(std::move(sins)), claims_(AllClaims()) {
  spec_.argument = "fake";
}

void FakeBackend::StartAfresh() {
  ++process_;
  calls_ = 0;
  previous_ = {};
}

CallResult FakeBackend::Supports(const attest_problem_t& /*problem*/) {
  return can_start ? Answered() : CannotStart();
}

CallResult FakeBackend::Forward(const attest_problem_t& problem, double /*multiply_adds*/,
                                CallImage& image) {
  if (!can_start) return CannotStart();
  const CallImage before = image;
  const Problem read = ReadProblem(problem, image);
  const SecondWriting right = ComputeSecondWriting(read, TensorsOf(image), AllRows(read));
  for (std::int64_t token = 0; token < NumTokens(read); ++token) {
    for (int head = 0; head < read.num_q_heads; ++head) {
      const auto line = static_cast<std::size_t>(token * read.num_q_heads + head);
      for (int dim = 0; dim < read.head_dim_v; ++dim) {
        Store(image, "out", {token, head, dim},
              static_cast<double>(right.out[line * read.head_dim_v + dim]));
      }
      if (read.lse) Store(image, "lse", {token, head}, static_cast<double>(right.lse[line]));
    }
  }
  ++calls_;
  if (sins_.forward) {
    sins_.forward({read, problem, before, image, process_, calls_,
                   previous_.bytes.empty() ? nullptr : &previous_});
  }
  previous_ = before;
  return Answered();
}

CallResult FakeBackend::WriteKv(const attest_problem_t& problem, double /*multiply_adds*/,
                                CallImage& image) {
  const CallImage before = image;
  const Problem read = ReadProblem(problem, image);
  const auto place = [&image](const char* name) {
    const PlacedTensor* tensor = image.Find(name);
    return tensor == nullptr ? nullptr : image.bytes.data() + tensor->offset;
  };
  const Status status = ExpectWriteKv(read,
                                      {.key = before.View("key"),
                                       .value = before.View("value"),
                                       .key_cache = before.View("key_cache"),
                                       .value_cache = before.View("value_cache"),
                                       .slot_mapping = before.View("slot_mapping"),
                                       .key_scale = {},
                                       .value_scale = {}},
                                      {.key_cache = place("key_cache"),
                                       .value_cache = place("value_cache"),
                                       .key_scale = nullptr,
                                       .value_scale = nullptr});
  if (!status.ok()) return Answered(ATTEST_INTERNAL);
  if (sins_.write_kv) sins_.write_kv({read, problem, before, image, process_, ++calls_, nullptr});
  return Answered();
}

CallResult FakeBackend::Merge(const attest_problem_t& problem, double /*multiply_adds*/,
                              CallImage& image) {
  const CallImage before = image;
  const Problem read = ReadProblem(problem, image);
  MergeTensors parts;
  for (int i = 0; image.Find(fmt::format("part_out_{}", i)) != nullptr; ++i) {
    parts.part_out.push_back(before.View(fmt::format("part_out_{}", i)));
    parts.part_lse.push_back(before.View(fmt::format("part_lse_{}", i)));
  }
  const Result<Merged> merged = ComputeMerge(read, parts, claims_.arithmetic);
  if (!merged.ok()) return Answered(ATTEST_INTERNAL);
  for (std::int64_t token = 0; token < NumTokens(read); ++token) {
    for (int head = 0; head < read.num_q_heads; ++head) {
      const auto line = static_cast<Eigen::Index>(token * read.num_q_heads + head);
      for (int dim = 0; dim < read.head_dim_v; ++dim) {
        Store(image, "out", {token, head, dim}, merged->out(line, dim));
      }
      Store(image, "lse", {token, head}, merged->lse[line]);
    }
  }
  if (sins_.merge) {
    sins_.merge({read, problem, before, image, process_, ++calls_,
                 previous_.bytes.empty() ? nullptr : &previous_});
  }
  return Answered();
}

Problem PlainProblem(std::vector<Request> requests) {
  return {.query_dtype = DType::kFloat32,
          .cache_dtype = DType::kFloat32,
          .output_dtype = DType::kFloat32,
          .num_q_heads = 4,
          .num_kv_heads = 2,
          .head_dim_qk = 8,
          .head_dim_v = 8,
          .block_size = 4,
          .requests = std::move(requests)};
}

void Nudge(CallImage& image, const char* tensor, const std::vector<std::int64_t>& index, int ulps) {
  std::byte* at = Writable(image, *image.Find(tensor), index);
  std::int32_t bits = 0;
  std::memcpy(&bits, at, sizeof(bits));
  bits += ulps;
  std::memcpy(at, &bits, sizeof(bits));
}

}  // namespace attest
