// SPDX-License-Identifier: Apache-2.0
//
// When two answers are equal. Each number of an answer may be off by its deterministic bound
// (spec/clauses/numerics.md), so two numbers with the same right value may differ by the sum of
// their bounds, and by nothing more. There is no other tolerance. A NaN is equal to nothing.
#ifndef ATTEST_PROPERTY_TESTS_LAWS_AGREE_H_
#define ATTEST_PROPERTY_TESTS_LAWS_AGREE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/judge/bits.h"
#include "property_tests/laws/subject.h"

namespace attest {

// A number of an answer, its right value and its bound. dim -1: the LSE.
struct Number {
  double got = 0;
  double want = 0;
  double bound = 0;
};
Number NumberAt(const JudgedCall& answer, std::int64_t token, int head, int dim);

// Ends the trial as broken unless |got - other| <= allowed. "how: request 0 row 2 head 1 dim 3: 0.5
// beside 0.75, may differ by 0.01".
struct NumberPlace {
  RowPair row;
  int head = 0;
  int dim = 0;  // -1: the LSE
};
void ExpectNear(std::string_view how, const NumberPlace& place, double got, double other,
                double allowed);

// Ends the trial as void where two right values that a law calls equal are not: the law would
// compare what is not equal, and its failures would say nothing.
void ExpectLawful(std::string_view how, const NumberPlace& place, double want, double other,
                  double allowed);

// The rows of both answers are equal, output and LSE, with all heads.
void ExpectEqualRows(std::string_view how, const JudgedCall& first, const JudgedCall& second,
                     const std::vector<RowPair>& rows);

// Bit for bit where `bitwise`, else as above.
void ExpectSameRows(std::string_view how, bool bitwise, const JudgedCall& first,
                    const JudgedCall& second, const std::vector<RowPair>& rows);

// All rows of one request, number `place` of the second problem.
std::vector<RowPair> RowsOfRequest(const Problem& first, std::size_t request, const Problem& second,
                                   std::size_t place);

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_LAWS_AGREE_H_
