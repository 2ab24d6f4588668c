// SPDX-License-Identifier: Apache-2.0
#include "property_tests/drafter/choices.h"

#include <utility>

namespace attest::drafter {
namespace {

int Below(rc::Random& random, int count) {
  return static_cast<int>(random.next() % static_cast<std::uint64_t>(count));
}

// Half of all draws change one to four choices, so that rare ones meet the defaults; the rest
// changes each with a chance of one in three.
Choices Draw(Op op, const std::vector<int>& sizes, const rc::Random& seed) {
  rc::Random random = seed;
  Choices choices{.op = op, .values = std::vector<int>(sizes.size(), 0)};
  if (Below(random, 2) == 0) {
    for (int count = 1 + Below(random, 4); count > 0; --count) {
      const auto at = static_cast<std::size_t>(Below(random, static_cast<int>(sizes.size())));
      choices.values[at] = Below(random, sizes[at]);
    }
    return choices;
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (Below(random, 3) == 0) choices.values[i] = Below(random, sizes[i]);
  }
  return choices;
}

rc::Seq<Choices> Smaller(const Choices& choices) {
  std::vector<Choices> smaller;
  const auto with = [&choices, &smaller](std::size_t at, int value) {
    Choices other = choices;
    other.values[at] = value;
    smaller.push_back(std::move(other));
  };
  for (std::size_t i = 0; i < choices.values.size(); ++i) {
    if (choices.values[i] != 0) with(i, 0);
  }
  for (std::size_t i = 0; i < choices.values.size(); ++i) {
    for (int value = 1; value < choices.values[i]; ++value) with(i, value);
  }
  return rc::seq::fromContainer(std::move(smaller));
}

}  // namespace

std::vector<int> SizesOf(Op op, const Scope& scope) {
  return op == Op::kPrepare ? PrepareSizes(scope) : ResolveSizes(scope);
}

Question QuestionOf(const Choices& choices, const Scope& scope) {
  return choices.op == Op::kPrepare ? PrepareQuestion(choices.values, scope)
                                    : ResolveQuestion(choices.values, scope);
}

rc::Gen<Choices> AnyChoices(Op op, const Scope& scope) {
  return [op, sizes = SizesOf(op, scope)](const rc::Random& random, int /*size*/) {
    return rc::shrinkable::shrinkRecur(Draw(op, sizes, random), Smaller);
  };
}

}  // namespace attest::drafter
