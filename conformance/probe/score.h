// SPDX-License-Identifier: Apache-2.0
//
// Reading the score function of an unknown backend: scale, soft cap, ALiBi slopes, sink logit. Each
// is a regression over the logarithms of output columns that hold one key each, so each comes with
// a standard error of its own.
#ifndef ATTEST_CONFORMANCE_PROBE_SCORE_H_
#define ATTEST_CONFORMANCE_PROBE_SCORE_H_

#include <string>
#include <vector>

#include "conformance/probe/box.h"
#include "spec/vocabulary/status.h"

namespace attest {

// A number that was read, or that is not there.
struct ReadNumber {
  enum class State : std::uint8_t {
    kFound,
    kNone,     // the backend has none; `why` says which ones would have been seen
    kUnknown,  // not conclusive; `why` says what stood in the way
  };
  State state = State::kUnknown;
  double value = 0;
  double error = 0;  // two standard errors, absolute
  std::string why;

  bool found() const { return state == State::kFound; }
};

// One query head of the row that sees the most keys.
struct HeadScore {
  ProbeRow row;
  int points = 0;     // columns that were fitted
  double spread = 0;  // what the fit leaves over, root mean square, in score units
  ReadNumber scale;
  ReadNumber softcap;
};
// One call. Keys of one row score t_i = -1..1 times half of what the format can show; the row must
// see at least 4 keys. Scores are those of problem().scale if the backend uses it.
Result<std::vector<HeadScore>> ReadScale(Box& box);

struct HeadSlope {
  ProbeRow row;
  ReadNumber left;   // of keys at or before the row: score falls by it for each key of distance
  ReadNumber right;  // of keys after it
};
// One call; one more where the slopes are too flat for neighbouring keys to show. The problem's own
// slopes are what the backend is given.
Result<std::vector<HeadSlope>> ReadSlopes(Box& box);

struct HeadSink {
  ProbeRow row;
  ReadNumber logit;
  ReadNumber lse_logit;  // as the LSE has it; unknown where none is offered
};
// Two calls, and a third that looks closer. The problem's own sinks are what the backend is given.
Result<std::vector<HeadSink>> ReadSinks(Box& box);

struct KeyWeight {
  std::int64_t key = 0;
  double weight = 0;    // as the output shows it
  double expected = 0;  // of equal weights of the visible keys, or of the scores given
};
struct RowWeights {
  ProbeRow row;
  std::vector<KeyWeight> keys;
  double worst = 0;  // largest relative distance
  double error = 0;  // of one weight, relative, as the output type has it
};
// ceil(keys / head_dim_v) calls: what each key of the row weighs, with scores that fall over the
// keys from 0 to -6.
Result<RowWeights> ReadWeights(Box& box, const ProbeRow& row);
// One call, at any length: what at most head_dim_v chosen keys of the row weigh, ascending, with
// scores that rise over them from -6 to 0, while all others score -100. A sum over few keys has no
// room for the errors of a long one, so a wrong factor of 1 % shows.
Result<RowWeights> ReadChosenWeights(Box& box, const ProbeRow& row,
                                     const std::vector<std::int64_t>& keys);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_PROBE_SCORE_H_
