// SPDX-License-Identifier: Apache-2.0
//
// The inside of a softmax line in double precision: what each key scores and weighs. The oracle
// sums these numbers and forgets them; statistics and `attest eval --scores` want them one by one.
#ifndef ATTEST_CONFORMANCE_JUDGE_LINE_SCORES_H_
#define ATTEST_CONFORMANCE_JUDGE_LINE_SCORES_H_

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "reference/attention_tensors.h"
#include "reference/oracle.h"
#include "spec/vocabulary/mask.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// Keys 0..seq_len-1 of one request and KV head, scales applied. Slots past seq_len are not read.
struct HeadKeys {
  RowMajorMatrix keys;    // [seq_len, head_dim_qk]
  RowMajorMatrix values;  // [seq_len, head_dim_v]
};

// One query row of one head against all keys of its request.
struct LineScores {
  Eigen::VectorXd score;  // [seq_len]; scale, softcap, bias and additive mask applied, in this
                          // order; of invisible keys too
  std::vector<std::uint8_t> visible;  // [seq_len]
  Eigen::VectorXd weight;  // [seq_len]; softmax over visible keys and the sink; 0 where invisible
  double lse = 0.0;        // -inf for a line that sees nothing and has no sink
};

// Reads the tensors of a call that ComputeExpected accepts. Both outlive it.
class LineReader {
 public:
  LineReader(const Problem& problem, const AttentionTensors& tensors);

  HeadKeys Keys(int request, int kv_head) const;
  // `keys` is Keys(row.request, q_head / group).
  LineScores Scores(const HeadKeys& keys, QueryRow row, int q_head) const;

 private:
  double Bias(QueryRow row, int q_head, std::int64_t key) const;

  const Problem& problem_;
  const AttentionTensors& tensors_;
  Mask mask_;
  std::vector<std::int64_t> first_token_;  // of each request
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_LINE_SCORES_H_
