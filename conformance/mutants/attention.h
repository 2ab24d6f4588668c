// SPDX-License-Identifier: Apache-2.0
//
// The scalar attention: everything that the vocabulary can ask, one number at a time, in double,
// written apart from reference/. Without hooks it is what spec/clauses say.
#ifndef ATTEST_CONFORMANCE_MUTANTS_ATTENTION_H_
#define ATTEST_CONFORMANCE_MUTANTS_ATTENTION_H_

#include <cstdint>
#include <limits>
#include <vector>

#include "conformance/mutants/mutant.h"

namespace attest {

// Problem and arguments were accepted by checks.h. Never reads or writes outside the tensors of the
// call, whatever the mutant.
void ScalarForward(const Call& call, const Put& put);

// One line of it.
void ComputeLine(const Call& call, std::int64_t request, std::int64_t index, std::int64_t head,
                 const Put& put);

// ---- The faithful points, for hooks that build on them

std::int64_t QueryLen(const Call& call, std::int64_t request);
Row MakeRow(const Call& call, std::int64_t request, std::int64_t index, std::int64_t head);
Terms TermsOf(const Call& call, const Row& row);
bool Visible(const Call& call, const Row& row, const Terms& terms, std::int64_t key);
// Do row and key lie in one prefix range?
bool InPrefixRange(const Call& call, const Row& row, const Terms& terms, std::int64_t key);

// Entry of the block table; -1 outside of the table.
std::int64_t TableEntry(const Call& call, std::int64_t table_row, std::int64_t column);
Place PlaceOf(const Call& call, const Row& row, std::int64_t key);
// Is there memory for key and value?
bool HasSlot(const Call& call, const Row& row, std::int64_t key);
std::int64_t ElementOffset(const attest_tensor_t& tensor, const Call& call, const Place& place,
                           Side side, std::int64_t kv_head, std::int64_t column);
const attest_tensor_t& TensorOf(const Call& call, const Place& place, Side side);

double ValueScale(const Call& call, const Row& row, std::int64_t key);

double Compose(const ScoreParts& parts, double dot);
double ScoreOf(const Call& call, const Row& row, std::int64_t key);
std::vector<double> LoadLine(const Call& call, const Row& row, std::int64_t key, Side side);

// ---- write_kv and merge

void ScalarWriteKv(const attest_problem_t& problem, const attest_write_kv_args_t& args,
                   const Hooks& hooks);

struct PartLine {
  std::vector<double> out;
  double lse = -std::numeric_limits<double>::infinity();
};
using MergedLine = PartLine;
// Parts of one line, each with as many columns. No part, or none with a key: output 0, LSE -inf.
MergedLine MergeLine(const std::vector<PartLine>& parts, const Hooks& hooks);
void ScalarMerge(const attest_merge_args_t& args, const Hooks& hooks);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_MUTANTS_ATTENTION_H_
