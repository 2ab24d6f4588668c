// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/bits.h"

#include <fmt/format.h>

#include <cstring>
#include <string_view>

#include "reference/float_formats.h"

namespace attest {
namespace {

std::string Pattern(DType dtype, const std::byte* at) {
  std::uint32_t bits = 0;  // little-endian, as all of the suite
  std::memcpy(&bits, at, SizeOf(dtype));
  return fmt::format("0x{:0{}x} ({:.9g})", bits, 2 * SizeOf(dtype), LoadElement(dtype, at));
}

// Walks the numbers of both tensors and keeps the first difference and the count.
class Tensors {
 public:
  Tensors(const CallImage& first, const CallImage& second, std::string_view name)
      : first_(first.View(name)), second_(second.View(name)) {}

  void Row(const RowPair& row, std::string& found) {
    if (!first_.present()) return;
    const bool is_lse = first_.shape.size() == 2;
    const std::int64_t dims = is_lse ? 1 : first_.shape[2];
    for (std::int64_t head = 0; head < first_.shape[1]; ++head) {
      for (std::int64_t dim = 0; dim < dims; ++dim) {
        const std::byte* a =
            is_lse ? first_.At({row.token, head}) : first_.At({row.token, head, dim});
        const std::byte* b =
            is_lse ? second_.At({row.other_token, head}) : second_.At({row.other_token, head, dim});
        ++total_;
        if (std::memcmp(a, b, SizeOf(first_.dtype)) == 0) continue;
        ++moved_;
        if (!found.empty()) continue;
        found = fmt::format("request {} row {} head {} {}: {} and then {}", row.request, row.row,
                            head, is_lse ? "lse" : fmt::format("dim {}", dim),
                            Pattern(first_.dtype, a), Pattern(first_.dtype, b));
      }
    }
  }

  std::int64_t moved() const { return moved_; }
  std::int64_t total() const { return total_; }

 private:
  TensorView first_;
  TensorView second_;
  std::int64_t moved_ = 0;
  std::int64_t total_ = 0;
};

}  // namespace

std::vector<RowPair> AllRowPairs(const Problem& problem) {
  std::vector<RowPair> pairs;
  std::int64_t token = 0;
  for (std::size_t request = 0; request < problem.requests.size(); ++request) {
    for (std::int64_t row = 0; row < problem.requests[request].q_len; ++row, ++token) {
      pairs.push_back({static_cast<int>(request), row, token, token});
    }
  }
  return pairs;
}

std::string MovedBits(const CallImage& first, const CallImage& second,
                      const std::vector<RowPair>& rows) {
  Tensors out(first, second, "out");
  Tensors lse(first, second, "lse");
  std::string found;
  for (const RowPair& row : rows) {
    out.Row(row, found);
    lse.Row(row, found);
  }
  if (found.empty()) return found;
  found += fmt::format("; {} of {} out", out.moved(), out.total());
  if (lse.total() > 0) found += fmt::format(", {} of {} lse", lse.moved(), lse.total());
  return found;
}

}  // namespace attest
