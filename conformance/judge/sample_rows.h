// SPDX-License-Identifier: Apache-2.0
//
// Which rows of a long case are judged by the bound. Structural edges always; the rest is a Latin
// sample whose residues modulo 256 differ, so that a defect of one lane or one tile row is met.
#ifndef ATTEST_CONFORMANCE_JUDGE_SAMPLE_ROWS_H_
#define ATTEST_CONFORMANCE_JUDGE_SAMPLE_ROWS_H_

#include <cstdint>
#include <vector>

#include "reference/oracle.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// All rows when the whole problem costs at most `max_multiply_adds`; else a sample of about that
// cost that holds, of every request: the first three and last two rows, rows at powers of two and
// their neighbours, and rows whose position is at the edge of a window, a page, a local block or a
// prefix range; of a tree the first 256; and rows on both sides of every multiple of a power of
// two, as many as a fourth of the sample has room for. Sorted by request and row.
std::vector<QueryRow> SampleRows(const Problem& problem, double max_multiply_adds,
                                 std::uint64_t seed);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_SAMPLE_ROWS_H_
