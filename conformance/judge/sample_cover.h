// SPDX-License-Identifier: Apache-2.0
//
// What a sample of rows can show: the classes of defects of which at least one row is certainly
// judged, whatever the defect does to that row.
#ifndef ATTEST_CONFORMANCE_JUDGE_SAMPLE_COVER_H_
#define ATTEST_CONFORMANCE_JUDGE_SAMPLE_COVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reference/oracle.h"
#include "spec/vocabulary/problem.h"

namespace attest {

struct SampleCover {
  std::int64_t judged = 0;
  std::int64_t rows = 0;  // of the problem
  // Every run of this many neighbouring rows of a request holds a judged one.
  std::int64_t run = 0;
  // Every residue modulo this power of two is judged (up to 4096): a defect of one lane or one tile
  // row of a kernel whose tile is not larger shows.
  std::int64_t residues = 1;
  // Largest power of two from which on the first and the last row of every chunk of that many
  // positions is judged; 0 where none is. Up to a fourth of the longest request.
  std::int64_t chunk = 0;
  bool ends = false;  // first and last row of every request
  // Every key that some row sees lies in the range of a judged one: a wrong page or split of keys
  // shows.
  bool keys = false;
  double fraction() const {
    return rows == 0 ? 1.0 : static_cast<double>(judged) / static_cast<double>(rows);
  }
};

// `rows` sorted by request and row, without repetitions.
SampleCover CoverOf(const Problem& problem, const std::vector<QueryRow>& rows);

// "1,024 of 1,048,576 rows (0.098 %); certain: ..." for a report.
std::string Describe(const SampleCover& cover);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_SAMPLE_COVER_H_
