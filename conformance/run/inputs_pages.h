// SPDX-License-Identifier: Apache-2.0
//
// Which physical page holds which logical keys, and what the block table says of it.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_PAGES_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_PAGES_H_

#include <cstdint>
#include <vector>

#include "spec/cases/case.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// Text that keys belong to: 0 is the prefix that all requests share, r + 1 the rest of request r.
using ContentId = std::uint64_t;
ContentId ContentOf(const Problem& problem, std::size_t request, std::int64_t key);

// Keys of `request` that some row of it sees; empty: first == last.
struct LiveKeys {
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool Contains(std::int64_t key) const { return key >= first && key < last; }
};
LiveKeys LiveKeysOf(const Problem& problem, std::size_t request);

// What one physical page holds. Slot s is key first_key + s of request `request`, or of the shared
// prefix (seen through any request) where the content is 0.
struct PageOwner {
  bool owned = false;  // false: page 0, or a page that nobody's table names
  std::size_t request = 0;
  std::int64_t first_key = 0;
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

// Pages are distinct, in random order, no two logical neighbours side by side where that can be
// had, and never page 0; some pages belong to nobody. Entries of pages without a live key are 0 or
// name a page of poison; entries past the last page are garbage: in range for loud poison, also
// negative and huge otherwise. With block_table_extra the rows lie further apart than the width.
PagePlan PlanPages(const Case& value, std::uint64_t seed);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_PAGES_H_
