// SPDX-License-Identifier: Apache-2.0
//
// Which physical page holds which logical keys, and what the block table says of it.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_PAGES_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_PAGES_H_

#include <cstdint>
#include <vector>

#include "conformance/run/inputs_texts.h"
#include "spec/cases/case.h"
#include "spec/vocabulary/mask.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// Keys of one request that some row and head of it sees. Outside first..last none; inside all, or
// those that are marked.
struct LiveKeys {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::vector<bool> seen;  // one a key from `first` on; empty: all
  bool Contains(std::int64_t key) const {
    if (key < first || key >= last) return false;
    return seen.empty() || seen[static_cast<std::size_t>(key - first)];
  }
};
LiveKeys LiveKeysOf(const Problem& problem, std::size_t request, const MaskTensors& tensors = {});

// What one physical page holds. Slot s is key first_key + s of request `request`, or of the shared
// prefix (seen through any request) where the content is 0.
struct PageOwner {
  bool owned = false;  // false: a page of manager page 0, or one that nobody's table names
  std::size_t request = 0;
  std::int64_t first_key = 0;
  std::int64_t again = -1;  // with page aliasing: the first key of the place that names it again
};

struct PagePlan {
  std::int64_t num_blocks = 0;
  std::int64_t table_width = 0;
  std::int64_t table_pitch = 0;     // elements from row to row, >= table_width
  std::vector<std::int32_t> table;  // [num_requests * table_pitch], gaps included
  std::vector<PageOwner> owners;    // one a page
  std::vector<LiveKeys> live;       // one a request
  std::vector<bool> prefix_live;    // one a key of the shared prefix: does any request see it
  std::int64_t SlotOf(const Problem& problem, std::size_t request, std::int64_t key) const;
  bool IsLive(const Problem& problem, const PageOwner& owner, std::int64_t slot) const;
};

// What decides where pages lie.
struct PageQuestion {
  const Case& value;
  std::uint64_t seed = 0;
  std::uint64_t page_seed = 0;
  const Texts& texts;
  MaskTensors masks;
};

// Pages of the memory manager, each hybrid_split kernel pages long, are distinct, in random order,
// no two logical neighbours side by side where that can be had, and never number 0; some belong to
// nobody. Entries of manager pages without a live key name manager page 0 or one of poison;
// entries past the last page are garbage: in range for loud poison, also negative and huge
// otherwise. With block_table_extra the rows lie further apart than the width.
PagePlan PlanPages(const PageQuestion& question);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_PAGES_H_
