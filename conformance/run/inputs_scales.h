// SPDX-License-Identifier: Apache-2.0
//
// Scales of quantised caches. Where a recipe needs exact numbers the scales are powers of two, so
// that codes, one-hot components and designed scores are stored exactly; generic rows have odd
// multiples of a power of two, 32 of them.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_SCALES_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_SCALES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "conformance/run/inputs_texts.h"
#include "spec/cases/case.h"

namespace attest {

// stored * scale = number.
struct KvScale {
  double key = 1.0;
  double value = 1.0;
  auto operator<=>(const KvScale&) const = default;
};

class ScaleSource {
 public:
  // `key_size`, `value_size`: powers of two, the magnitude of the recipe's designed numbers.
  ScaleSource(const Case& value, std::uint64_t seed, double key_size, double value_size);

  // Of a token of `content`. Key and value scale differ, but for a shared latent, which has one.
  KvScale At(ContentId content, std::int64_t key, int head) const;
  // Of a slot without a token; not used with scales of single tokens.
  KvScale OfHead(int head) const;

 private:
  const Problem& problem_;
  std::uint64_t stream_;
  std::vector<KvScale> scales_;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_SCALES_H_
