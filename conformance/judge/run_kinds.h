// SPDX-License-Identifier: Apache-2.0
//
// How each kind of case is run. RunCase is the only caller; `record` holds what is known before the
// case runs, and comes back finished.
#ifndef ATTEST_CONFORMANCE_JUDGE_RUN_KINDS_H_
#define ATTEST_CONFORMANCE_JUDGE_RUN_KINDS_H_

#include "conformance/run/inputs.h"
#include "conformance/run/run_case.h"

namespace attest {

// A finished record, and the image of the forward call that it judges; `passed` says whether there
// is more to ask about.
struct JudgedForward {
  bool passed = false;
  Record record;
  CallImage image;
};

// One forward call against the oracle.
JudgedForward JudgeForward(Session& session, const Case& value, const CaseInputs& inputs,
                           const RunOptions& options, Record record);

Record RunRefusalCase(Session& session, const Case& value, const CaseInputs& inputs, Record record);
Record RunInvalidCase(Session& session, const Case& value, CaseInputs inputs, Record record);

// The bitwise kinds: a forward call that the oracle accepts, and then calls that must give the same
// bits.
Record RunDeterminismCase(Session& session, const Case& value, const CaseInputs& inputs,
                          const RunOptions& options, Record record);
Record RunNeighboursCase(Session& session, const Case& value, const CaseInputs& inputs,
                         const RunOptions& options, Record record);
Record RunBatchInvarianceCase(Session& session, const Case& value, const CaseInputs& inputs,
                              const RunOptions& options, Record record);
Record RunChunkInvarianceCase(Session& session, const Case& value, const CaseInputs& inputs,
                              const RunOptions& options, Record record);

Record RunAfterOthersCase(Session& session, const Case& value, const CaseInputs& inputs,
                          const RunOptions& options, Record record);

Record RunGraphCase(Session& session, const Case& value, const RunOptions& options, Record record);
Record RunCopyToPersistentCase(Session& session, const Case& value, const RunOptions& options,
                               Record record);
Record RunServingLoopCase(Session& session, const Case& value, const RunOptions& options,
                          Record record);

Record RunWriteKvCase(Session& session, const Case& value, const RunOptions& options,
                      Record record);
Record RunMergeCase(Session& session, const Case& value, const RunOptions& options, Record record);
Record RunCascadeCase(Session& session, const Case& value, const CaseInputs& inputs,
                      const RunOptions& options, Record record);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_RUN_KINDS_H_
