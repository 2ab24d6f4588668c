// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs_merge.h"

#include <fmt/format.h>

#include <limits>
#include <string>

#include "conformance/run/inputs_place.h"
#include "conformance/run/inputs_random.h"
#include "conformance/run/inputs_rows.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

constexpr std::uint64_t kEmptyParts = 5;  // one of so many
constexpr std::uint64_t kEmptyRows = 8;

class MergeBuilder {
 public:
  MergeBuilder(const Case& value, int parts, std::uint64_t seed)
      : case_(value),
        p_(value.problem),
        parts_(parts),
        stream_(StreamKey(value.id, seed, "parts")) {}

  CaseInputs Run() {
    const Placement placement = PlaceMerge(p_, parts_);
    inputs_.image.bytes.resize(placement.bytes);
    inputs_.image.tensors = placement.tensors;
    inputs_.abi = ToAbi(p_);
    FillCanaries(placement, inputs_.image.bytes);
    for (const Region& region : placement.regions) {
      FillNeverWritten(region, inputs_.image.bytes);  // gaps of the parts too
    }
    const std::int64_t tokens = NumTokens(p_);
    for (std::int64_t token = 0; token < tokens + p_.padding_tokens; ++token) {
      for (int head = 0; head < p_.num_q_heads; ++head) FillLine(token, head, token >= tokens);
    }
    return std::move(inputs_);
  }

 private:
  void FillLine(std::int64_t token, int head, bool padding) {
    const std::uint64_t line =
        Chain(Chain(stream_, static_cast<std::uint64_t>(token)), static_cast<std::uint64_t>(head));
    const bool all_empty = Below(Draw(line, 0), kEmptyRows) == 0;
    const double middle = static_cast<double>(Below(Draw(line, 1), 641)) / 16.0 - 20.0;
    for (int part = 0; part < parts_; ++part) {
      const std::uint64_t key = Chain(line, static_cast<std::uint64_t>(part));
      const bool empty = all_empty || Below(Draw(key, 0), kEmptyParts) == 0;
      const double away = static_cast<double>(Below(Draw(key, 1), 129)) / 16.0 - 4.0;
      std::byte* lse = ElementAt(inputs_.image, fmt::format("part_lse_{}", part), {token, head});
      if (padding) {
        StorePoison(case_.poison, DType::kFloat32, key, lse);
      } else {
        StoreElement(DType::kFloat32,
                     empty ? -std::numeric_limits<double>::infinity() : middle + away, lse);
      }
      FillOut(key, part, token, head, padding, empty);
    }
  }

  void FillOut(std::uint64_t key, int part, std::int64_t token, int head, bool padding,
               bool empty) {
    const Poison ghost = (key & 1) != 0 ? Poison::kNan : Poison::kLoud;
    std::byte* row = ElementAt(inputs_.image, fmt::format("part_out_{}", part), {token, head});
    for (int d = 0; d < p_.head_dim_v; ++d) {
      const std::uint64_t random = Draw(key, static_cast<std::uint64_t>(d) + 2);
      std::byte* at = row + static_cast<std::size_t>(d) * SizeOf(p_.output_dtype);
      if (padding || empty) {
        StorePoison(padding ? case_.poison : ghost, p_.output_dtype, random, at);
      } else {
        StoreElement(p_.output_dtype, NormalLevel(random) / 512.0, at);
      }
    }
  }

  const Case& case_;
  const Problem& p_;
  int parts_;
  std::uint64_t stream_;
  CaseInputs inputs_;
};

}  // namespace

Result<CaseInputs> BuildMergeInputs(const Case& value, int parts, std::uint64_t seed) {
  if (Status status = Validate(value.problem); !status.ok()) return status;
  if (parts < 1) return BadInput(fmt::format("parts: {} is not positive", parts));
  return MergeBuilder(value, parts, seed).Run();
}

}  // namespace attest
