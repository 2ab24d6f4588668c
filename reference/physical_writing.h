// SPDX-License-Identifier: Apache-2.0
//
// Attention written a third time, in physical space, as FlexAttention sees a paged cache: every row
// walks over the slots of the whole cache in their order in memory, turns each slot back into a
// logical position, and asks the mask of that. Plain double arithmetic, an online softmax. For
// tests of paging: a mistake in going from logical to physical does not happen here, since nothing
// goes that way.
#ifndef ATTEST_REFERENCE_PHYSICAL_WRITING_H_
#define ATTEST_REFERENCE_PHYSICAL_WRITING_H_

#include <cstdint>
#include <vector>

#include "reference/attention_tensors.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// Where a physical page lies in a request: page -> index in its row of the block table, or -1.
// Valid where the first ceil(seq_len / N) entries of the row are distinct.
std::vector<std::int64_t> InversePageTable(const Problem& problem, const AttentionTensors& tensors,
                                           int request);

// May row `row` see a key of the page that has index `page` in its request? Never false where it
// does (page lists may over-approximate the mask, not under-approximate it).
bool PageMayMatter(const Problem& problem, int request, std::int64_t row, std::int64_t page);

// Do all requests name their live pages once each? The physical writing is valid only there, and
// for attention that is paged.
bool HasDistinctPages(const Problem& problem, const AttentionTensors& tensors);

// Line n*num_q_heads + h belongs to rows[n] and query head h.
struct PhysicalWriting {
  std::vector<double> out;  // [lines, head_dim_v]
  std::vector<double> lse;  // [lines]; -inf for a line that sees nothing and has no sink
};
PhysicalWriting ComputePhysicalWriting(const Problem& problem, const AttentionTensors& tensors,
                                       const std::vector<QueryRow>& rows);

}  // namespace attest

#endif  // ATTEST_REFERENCE_PHYSICAL_WRITING_H_
