// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/options.h"

#include <charconv>
#include <cstddef>
#include <string>
#include <system_error>

namespace attest::gpu {
namespace {

constexpr int kMost = 1 << 20;

bool ReadNumber(std::string_view text, int least, int& number) {
  const auto [rest, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  return fault == std::errc{} && rest == text.data() + text.size() && number >= least &&
         number <= kMost;
}

bool ReadOrder(std::string_view text, ThreadOrder& order) {
  if (text == "plain") order = ThreadOrder::kPlain;
  if (text == "reversed") order = ThreadOrder::kReversed;
  if (text == "shuffled") order = ThreadOrder::kShuffled;
  return text == "plain" || text == "reversed" || text == "shuffled";
}

bool ReadMistake(std::string_view text, graph::Mistake& mistake) {
  if (text == "table-as-strided") mistake = graph::Mistake::kTableAsStrided;
  if (text == "eager-fallback") mistake = graph::Mistake::kEagerFallback;
  return mistake != graph::Mistake::kNone;
}

bool Read(std::string_view key, std::string_view value, Options& all) {
  DeviceOptions& options = all.device;
  int number = 0;
  if (key == "graph_mistake") return ReadMistake(value, all.graph_mistake);
  if (key == "threads") return ReadNumber(value, 1, options.threads);
  if (key == "device") return ReadNumber(value, 0, options.index);
  if (key == "order") return ReadOrder(value, options.order);
  if (key == "seed" && ReadNumber(value, 0, number)) {
    options.seed = static_cast<std::uint32_t>(number);
    return true;
  }
  if (key == "shared_kib" && ReadNumber(value, 1, number)) {
    options.pretend_shared_bytes = static_cast<std::size_t>(number) * 1024;
    return true;
  }
  if (key == "matrix_unit" && (value == "off" || value == "emulated")) {
    options.emulate_matrix_unit = value == "emulated";
    return true;
  }
  return false;
}

}  // namespace

Answer ParseOptions(std::string_view text, Options& options) {
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const std::size_t equals = item.find('=');
    if (equals != std::string_view::npos &&
        Read(item.substr(0, equals), item.substr(equals + 1), options)) {
      continue;
    }
    return Invalid("options", std::string(item),
                   "not threads=N, device=N, order=plain|reversed|shuffled, seed=N, "
                   "shared_kib=N, matrix_unit=off|emulated or "
                   "graph_mistake=table-as-strided|eager-fallback");
  }
  return {};
}

}  // namespace attest::gpu
