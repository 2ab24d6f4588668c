// SPDX-License-Identifier: Apache-2.0
//
// Which text stands at which position of which request.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_TEXTS_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_TEXTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "conformance/run/inputs.h"
#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Text that keys belong to: 0 is the beginning that all texts share, i + 1 the rest of text i.
using ContentId = std::uint64_t;

// The texts of one problem. It outlives this.
class Texts {
 public:
  // Bad input: another number of texts than requests, a text shorter than what is read of it, a
  // shared beginning below the shared prefix.
  static Result<Texts> Of(const Problem& problem, const InputVariant& variant);

  const Text& Of(std::size_t request) const { return texts_[request]; }
  ContentId ContentOf(std::size_t request, std::int64_t key) const;
  // Tokens of a content.
  std::int64_t LengthOf(std::size_t request, ContentId content) const;

  // With page aliasing: the logical page whose physical page stands at `page` of `request`, at or
  // before it. Follows from the text alone.
  std::int64_t SourcePage(std::size_t request, std::int64_t page) const;
  // The key whose row stands at `key`.
  std::int64_t SourceKey(std::size_t request, std::int64_t key) const;

 private:
  explicit Texts(const Problem& problem) : problem_(&problem) {}

  const Problem* problem_;
  std::vector<Text> texts_;
  std::int64_t shared_ = 0;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_TEXTS_H_
