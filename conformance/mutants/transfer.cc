// SPDX-License-Identifier: Apache-2.0
//
// write_kv and merge.
#include <algorithm>
#include <bit>
#include <cmath>

#include "conformance/mutants/attention.h"

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double LargestOf(Format format) {
  switch (format) {
    case Format::kInt8:
      return 127.0;
    case Format::kFloat8E4M3FN:
      return 448.0;
    case Format::kFloat8E4M3FNUZ:
      return 240.0;
    default:
      return 57344.0;
  }
}

// One head of one token, into the cache. Scales by token and head are made here; the others are
// given. Quotients are float32.
struct HeadWriter {
  const Call& call;
  const attest_tensor_t& source;
  const attest_tensor_t& cache;
  const attest_tensor_t& scales;
  Side side;
  WriteRules rules;

  double Scale(const std::vector<double>& line, const Place& place, std::int64_t head) const {
    if (call.problem.kv_scale_kind == ATTEST_KV_SCALE_NONE) return 1.0;
    std::byte* const at = AddressOf(scales, {place.page, place.slot, head});
    if (call.problem.kv_scale_kind == ATTEST_KV_SCALE_PER_TOKEN_HEAD) {
      double absmax = 0;
      for (const double value : line) absmax = std::max(absmax, std::fabs(value));
      const double largest =
          rules.largest > 0 ? rules.largest : LargestOf(FormatOfAbi(cache.dtype));
      const bool unit = absmax == 0 && !rules.zero_token_is_nan;
      Encode(Format::kFloat32, unit ? 1.0 : absmax / largest, at);
    }
    return Decode(Format::kFloat32, at);
  }

  double Quotient(double value, double scale) const {
    if (call.problem.kv_scale_kind == ATTEST_KV_SCALE_NONE) return value;
    const auto x = static_cast<float>(value);
    const auto s = static_cast<float>(scale);
    return rules.multiplies_scale ? x * s : x / s;
  }

  void Store(double value, std::byte* at) const {
    const Format format = FormatOfAbi(cache.dtype);
    if (format == Format::kInt8) {
      if (std::isnan(value)) value = 0;
      if (rules.truncates) value = std::trunc(value);
      return Encode(format, std::clamp(value, -127.0, 127.0), at);
    }
    if (BytesOf(format) == 1) {
      const double largest = LargestOf(format);
      const bool beyond = std::fabs(value) > largest;
      if (beyond) value = rules.overflow_is_nan ? std::nan("") : std::copysign(largest, value);
      return Encode(format, value, at);
    }
    Encode(format, value, at);
    const double stored = Decode(format, at);
    if (rules.truncates && std::fabs(stored) > std::fabs(value)) {
      std::int64_t bits = 0;  // one step towards 0
      __builtin_memcpy(&bits, at, static_cast<std::size_t>(BytesOf(format)));
      --bits;
      __builtin_memcpy(at, &bits, static_cast<std::size_t>(BytesOf(format)));
    }
  }

  std::int64_t Offset(const Place& place, std::int64_t head, std::int64_t column) const {
    if (rules.offset_modulus > 0) {
      return ElementOffset(cache, call, place, side, head, column) % rules.offset_modulus;
    }
    if (!rules.dense_strides || call.problem.kv_layout != ATTEST_KV_STRIDED) {
      return ElementOffset(cache, call, place, side, head, column);
    }
    return ((place.page * cache.shape[1] + place.slot) * cache.shape[2] + head) * cache.shape[3] +
           column;
  }

  void Write(std::int64_t token, std::int64_t head, const Place& place) const {
    const std::int64_t columns =
        side == Side::kKey ? call.problem.head_dim_qk : call.problem.head_dim_v;
    std::vector<double> line(
        static_cast<std::size_t>(std::min<std::int64_t>(columns, source.shape[2])));
    for (std::size_t d = 0; d < line.size(); ++d) {
      line[d] = Decode(FormatOfAbi(source.dtype),
                       AddressOf(source, {token, head, static_cast<std::int64_t>(d)}));
    }
    const double scale = Scale(line, place, head);
    for (std::size_t d = 0; d < line.size(); ++d) {
      const std::int64_t offset = Offset(place, head, static_cast<std::int64_t>(d));
      if (InSpan(cache, offset)) Store(Quotient(line[d], scale), AtOffset(cache, offset));
    }
  }
};

}  // namespace

void ScalarWriteKv(const attest_problem_t& problem, const attest_write_kv_args_t& args,
                   const Hooks& hooks) {
  const attest_forward_args_t none = {};
  const Memory memory;
  const Call call{problem, none, hooks, memory};
  WriteRules rules;
  if (hooks.write != nullptr) hooks.write(rules);
  const HeadWriter keys{call, args.key, args.key_cache, args.key_scale, Side::kKey, rules};
  const attest_tensor_t& source = rules.value_from_key ? args.key : args.value;
  const HeadWriter values{call, source, args.value_cache, args.value_scale, Side::kValue, rules};
  const std::int64_t slots = problem.num_blocks * problem.block_size;
  std::int64_t mapped = args.slot_mapping.shape[0];
  if (rules.only_first_requests) mapped = std::min(mapped, problem.num_requests);
  const bool more = rules.one_too_many && mapped > 0 && mapped < args.key.shape[0];
  for (std::int64_t token = 0; token < mapped + (more ? 1 : 0); ++token) {
    auto slot = LoadAt<std::int64_t>(args.slot_mapping, {std::min(token, mapped - 1)});
    if (token == mapped) ++slot;
    if (hooks.slot != nullptr) {
      const std::int64_t before =
          token == 0 ? -1 : LoadAt<std::int64_t>(args.slot_mapping, {token - 1});
      slot = hooks.slot({slot, before, slots, problem.block_size});
    }
    if (slot < 0 || slot >= slots) continue;
    const Place place{slot / problem.block_size, slot % problem.block_size};
    for (std::int64_t head = 0; head < problem.num_kv_heads; ++head) {
      keys.Write(token, head, place);
      if (!call.Has(ATTEST_FLAG_VALUE_IS_KEY_PREFIX)) values.Write(token, head, place);
    }
  }
}

MergedLine MergeLine(const std::vector<PartLine>& parts, const Hooks& hooks) {
  MergeRules rules;
  if (hooks.merge != nullptr) hooks.merge(rules);
  MergedLine merged;
  merged.out.assign(parts.empty() ? 0 : parts.front().out.size(), 0.0);
  double top = -kInfinity;
  for (const PartLine& part : parts) top = std::max(top, part.lse);
  if (top == -kInfinity) {
    if (rules.empty_is_nan) merged.out.assign(merged.out.size(), std::nan(""));
    return merged;
  }
  double sum = 0;
  for (const PartLine& part : parts) {
    const bool empty = part.lse == -kInfinity;
    if (empty && !rules.multiplies_empty_parts) continue;
    const double weight = rules.equal_weights ? 1.0 : std::pow(rules.base, part.lse - top);
    if (weight == 0 && !empty) continue;
    sum += weight;
    for (std::size_t d = 0; d < merged.out.size(); ++d) merged.out[d] += weight * part.out[d];
  }
  for (double& value : merged.out) value /= sum;
  merged.lse = rules.lse_of_largest ? top : top + std::log(sum) / std::log(rules.base);
  return merged;
}

namespace {

PartLine LoadPart(const attest_merge_args_t& args, std::size_t part, std::int64_t token,
                  std::int64_t head, const MergeRules& rules) {
  const attest_tensor_t& out = args.part_out[part];
  const attest_tensor_t& lse = args.part_lse[part];
  PartLine line;
  std::int64_t lse_token = token;
  std::int64_t lse_head = head;
  if (rules.transposed_lse && part > 0) {
    const std::int64_t flat = head * lse.shape[0] + token;
    lse_token = flat / lse.shape[1];
    lse_head = flat % lse.shape[1];
  }
  line.lse = Decode(Format::kFloat32, AddressOf(lse, {lse_token, lse_head}));
  for (std::int64_t d = 0; d < out.shape[2]; ++d) {
    const std::int64_t packed = (token * out.shape[1] + head) * out.shape[2] + d;
    const std::int64_t offset = rules.packed_columns ? packed : OffsetOf(out, {token, head, d});
    line.out.push_back(Decode(FormatOfAbi(out.dtype), AtOffset(out, offset)));
  }
  return line;
}

// Rows of later heads come first, so that what one spills stays on its neighbour.
void StoreMerged(const attest_merge_args_t& args, std::int64_t token, std::int64_t head,
                 const MergedLine& merged, const MergeRules& rules) {
  const Format format = FormatOfAbi(args.out.dtype);
  const std::int64_t columns = args.out.shape[2];
  for (std::int64_t d = 0; d < columns; ++d) {
    Encode(format, merged.out[static_cast<std::size_t>(d)], AddressOf(args.out, {token, head, d}));
  }
  const auto end = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(columns)));
  for (std::int64_t d = columns; rules.spills_columns && d < end; ++d) {
    const std::int64_t offset = OffsetOf(args.out, {token, head, d});
    if (InSpan(args.out, offset)) Encode(format, 0.0, AtOffset(args.out, offset));
  }
  if (args.lse.data != nullptr) {
    Encode(Format::kFloat32, merged.lse, AddressOf(args.lse, {token, head}));
  }
}

}  // namespace

void ScalarMerge(const attest_merge_args_t& args, const Hooks& hooks) {
  MergeRules rules;
  if (hooks.merge != nullptr) hooks.merge(rules);
  for (std::int64_t token = 0; token < args.out.shape[0]; ++token) {
    for (std::int64_t head = args.out.shape[1] - 1; head >= 0; --head) {
      std::vector<PartLine> parts;
      for (std::size_t n = 0; n < static_cast<std::size_t>(args.num_parts); ++n) {
        parts.push_back(LoadPart(args, n, token, head, rules));
      }
      StoreMerged(args, token, head, MergeLine(parts, hooks), rules);
    }
  }
}

}  // namespace attest
