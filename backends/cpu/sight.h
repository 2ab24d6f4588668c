// SPDX-License-Identifier: Apache-2.0
//
// Which keys the rows of one request see, and what is added to their scores.
#ifndef ATTEST_BACKENDS_CPU_SIGHT_H_
#define ATTEST_BACKENDS_CPU_SIGHT_H_

#include <cstdint>
#include <vector>

#include "backends/cpu/key_span.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

class Sight {
 public:
  // `start`: the request's first row of query.
  Sight(const attest_problem_t& problem, const attest_forward_args_t& args, std::int64_t request,
        std::int64_t start, std::int64_t q_len, std::int64_t seq_len);

  // Contains every key that row `row` of the request sees.
  KeySpan HullOf(std::int64_t row) const;
  // What a row sees is its hull, for all heads, and nothing is added to a score.
  bool plain() const { return !tree_ && !custom_ && !biased_ && ranges_.empty(); }
  bool biased() const { return biased_; }

  // What the row sees of the tile that begins at key `tile`. Where biased(), bias[j] is what the
  // score of each key that it sees gets; what stands at other keys is of no account.
  KeyBits SeenBy(std::int64_t head, std::int64_t row, std::int64_t tile, float* bias) const;

 private:
  std::int64_t PositionOf(std::int64_t row) const { return seq_len_ - q_len_ + row; }
  KeySpan BandOf(std::int64_t row) const;
  KeySpan PartOf(const KeySpan& range, std::int64_t row) const;
  KeyBits TreeBits(KeyBits bits, std::int64_t row, std::int64_t tile) const;
  KeyBits BooleanBits(KeyBits bits, std::int64_t head, std::int64_t row, std::int64_t tile) const;
  KeyBits AdditiveBits(KeyBits bits, std::int64_t head, std::int64_t row, std::int64_t tile,
                       float* bias) const;

  const attest_problem_t& p_;
  const attest_forward_args_t& args_;
  const std::int64_t request_;
  const std::int64_t start_;
  const std::int64_t q_len_;
  const std::int64_t seq_len_;
  bool causal_ = false;
  bool tree_ = false;
  bool custom_ = false;
  bool biased_ = false;
  std::vector<KeySpan> ranges_;  // of prefixes; half open
};

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_SIGHT_H_
