// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs_texts.h"

#include <fmt/format.h>

namespace attest {
namespace {

// Texts of other contents: far from the numbers of requests.
constexpr std::uint64_t kStrangers = 1'000'000;

}  // namespace

std::vector<Text> TextsOf(const Problem& problem) {
  std::vector<Text> texts;
  for (const Request& request : problem.requests) texts.push_back({texts.size(), request.seq_len});
  return texts;
}

InputVariant OtherNeighbours(const Problem& problem, std::size_t kept) {
  InputVariant variant;
  variant.texts = TextsOf(problem);
  for (std::size_t r = 0; r < variant.texts.size(); ++r) {
    if (r != kept) variant.texts[r].index += kStrangers;
  }
  return variant;
}

Result<Texts> Texts::Of(const Problem& problem, const InputVariant& variant) {
  Texts texts(problem);
  texts.texts_ = variant.texts.empty() ? TextsOf(problem) : variant.texts;
  texts.shared_ = variant.shared_text.value_or(problem.shared_prefix);
  if (texts.texts_.size() != problem.requests.size()) {
    return BadInput(
        fmt::format("texts: {} for {} requests", texts.texts_.size(), problem.requests.size()));
  }
  for (std::size_t r = 0; r < texts.texts_.size(); ++r) {
    if (texts.texts_[r].length >= problem.requests[r].seq_len) continue;
    return BadInput(fmt::format("texts[{}].length: {} is less than seq_len {}", r,
                                texts.texts_[r].length, problem.requests[r].seq_len));
  }
  if (texts.shared_ < problem.shared_prefix) {
    return BadInput(fmt::format("shared_text: {} is less than shared_prefix {}", texts.shared_,
                                problem.shared_prefix));
  }
  return texts;
}

ContentId Texts::ContentOf(std::size_t request, std::int64_t key) const {
  return key < shared_ ? 0 : texts_[request].index + 1;
}

std::int64_t Texts::LengthOf(std::size_t request, ContentId content) const {
  return content == 0 ? shared_ : texts_[request].length;
}

std::int64_t Texts::SourcePage(std::size_t request, std::int64_t page) const {
  if (!problem_->page_aliasing) return page;
  const std::int64_t whole = texts_[request].length / problem_->block_size;
  const std::int64_t own = (shared_ + problem_->block_size - 1) / problem_->block_size;
  if (page == whole - 1 && page - 1 >= own) return page - 1;
  if (page == own + 2 && page < whole - 2) return own;
  return page;
}

std::int64_t Texts::SourceKey(std::size_t request, std::int64_t key) const {
  if (!problem_->page_aliasing) return key;
  const std::int64_t page = key / problem_->block_size;
  return SourcePage(request, page) * problem_->block_size + key % problem_->block_size;
}

}  // namespace attest
