// SPDX-License-Identifier: Apache-2.0
//
// Which kv head and which page a backend really reads, for keys and for values apart.
#ifndef ATTEST_CONFORMANCE_PROBE_MAPS_H_
#define ATTEST_CONFORMANCE_PROBE_MAPS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/probe/box.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Of one query head, over all rows that see a key.
struct HeadMap {
  int head = 0;
  int expected = 0;
  int value_head = -1;  // -1: not conclusive, why_value says why
  int key_head = -1;
  std::string why_value;
  std::string why_key;
};
// Values name their head in binary digits: one call. Keys score by one digit of their head a call:
// ceil(log2(num_kv_heads)) calls, 0 with one kv head. K of a row that sees a single key is not
// observable.
Result<std::vector<HeadMap>> ReadHeads(Box& box);

// One logical page of one request, as one head reads it.
struct PageRead {
  std::int64_t page = 0;       // physical
  std::int64_t keys = 0;       // keys of it that the row sees
  std::int64_t key_page = -1;  // whose K goes with this page's V; -1: not conclusive
};
struct PageMap {
  ProbeRow row;                        // the last row of the request
  std::vector<std::int64_t> expected;  // physical pages of the keys that the spec shows to it
  std::vector<PageRead> reads;         // pages whose values came out, ascending
  std::vector<std::int64_t> unread;    // expected, but nothing came out
  std::string why;                     // not conclusive
};
// Values: pages read out one column each, ceil(num_blocks / head_dim_v) calls. Keys: times
// ceil(log2(num_blocks)) more; they need an LSE. Attention does not tell the order of keys that a
// row sees, so pages of equal rows that are swapped for both K and V look the same, and are.
Result<std::vector<PageMap>> ReadPages(Box& box, int head);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_PROBE_MAPS_H_
