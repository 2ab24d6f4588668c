// SPDX-License-Identifier: Apache-2.0
//
// What must not matter is overwritten, and nothing may change, not by one bit. There is no
// tolerance, and so no defect that hides below one; but the backend must give the same bits twice.
#ifndef ATTEST_CONFORMANCE_PROBE_POISON_H_
#define ATTEST_CONFORMANCE_PROBE_POISON_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/probe/box.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Places that no row of the call sees.
enum class HiddenPlace : std::uint8_t {
  kMasked,      // keys of a request that none of its rows sees
  kPastSeqLen,  // slots of a last page at seq_len and beyond
  kNobodys,     // pages of no request, page 0 among them
};
std::string_view Name(HiddenPlace value);  // "masked keys" "slots past seq_len" "pages of nobody"

struct PoisonTrial {
  HiddenPlace where = HiddenPlace::kMasked;
  bool nan = false;               // else: large keys, huge values
  std::int64_t places = 0;        // overwritten; 0: there are none, and no call was made
  std::vector<ProbeRow> changed;  // rows with a changed bit in the output or the LSE
};

struct PoisonReading {
  bool deterministic = false;       // the same bits came three times
  std::vector<ProbeRow> restless;   // rows that differed between equal calls
  std::vector<PoisonTrial> trials;  // empty where not deterministic
  bool changed() const;
};

// 3 calls, and up to 6 more. Queries and keys are positive, so that a poisoned key that is masked
// by a large negative number added to its score outweighs the rest all the same.
Result<PoisonReading> ReadPoison(Box& box);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_PROBE_POISON_H_
