// SPDX-License-Identifier: Apache-2.0
//
// Shards of one run, put together again.
#ifndef ATTEST_CONFORMANCE_REPORT_MERGE_H_
#define ATTEST_CONFORMANCE_REPORT_MERGE_H_

#include <vector>

#include "conformance/report/run_directory.h"
#include "spec/cases/spec.h"

namespace attest {

struct MergedRuns {
  Report report;
  Evidence evidence;
};

// The report of the whole run: its records, in case order, are byte for byte those of a run
// without shards. Bad input, naming the directories and up to five case ids: parts of different
// runs (suite, case set, backend, selector, claims, seed, tier, profiles, filter, arithmetic,
// waivers), a shard given twice or missing, a case in two parts or in none. `spec` must outlive the
// result.
Result<MergedRuns> MergeRuns(const std::vector<RunDirectory>& parts, const Spec& spec);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_MERGE_H_
