// SPDX-License-Identifier: Apache-2.0
//
// What one forward call left behind, beside what it should have: the material of a diagnosis. It
// comes from a case that a backend ran, or from tensors that somebody dumped.
#ifndef ATTEST_CONFORMANCE_DIAGNOSE_NUMBERS_H_
#define ATTEST_CONFORMANCE_DIAGNOSE_NUMBERS_H_

#include "conformance/mutants/in_process.h"
#include "conformance/run/inputs.h"
#include "reference/oracle.h"
#include "spec/cases/case.h"

namespace attest {

// Lines are those of `expected`: rows * num_q_heads, heads fastest.
struct Numbers {
  Problem problem;
  AttentionTensors tensors;  // of the inputs
  OutputShapes outputs;
  Expected expected;
  RowMajorMatrix allowed;       // [lines, head_dim_v]; absolute error of a right answer
  Eigen::VectorXd allowed_lse;  // [lines]
  RowMajorMatrix got;           // [lines, head_dim_v]; NaN where nothing was written
  Eigen::VectorXd got_lse;      // [lines]; empty where none was asked for

  Eigen::Index lines() const { return got.rows(); }
  bool has_lse() const { return got_lse.size() > 0; }
  MutantLine LineAt(Eigen::Index line) const;
  // Largest error over what is allowed in this line, the LSE's included; infinite for a NaN where a
  // number is wanted. Above 1 the line is wrong.
  double Ratio(Eigen::Index line) const;
  bool wrong() const;  // some line is
};

// Of a case: `inputs` before the call, `after` what it left behind. Views point into `inputs`.
Numbers NumbersOf(const Case& value, const CaseInputs& inputs, const CallImage& after,
                  const Expected& expected);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_DIAGNOSE_NUMBERS_H_
