// SPDX-License-Identifier: Apache-2.0
//
// Which cases a run looks at: the command line's tier, profiles, filter and shard as one value.
#ifndef ATTEST_CONFORMANCE_REPORT_SELECTION_H_
#define ATTEST_CONFORMANCE_REPORT_SELECTION_H_

#include <string>
#include <string_view>
#include <vector>

#include "spec/cases/case.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Shard `index` of `count`, counted from 1: every count-th case, so that long cases spread.
struct Shard {
  int index = 1;
  int count = 1;
  bool operator==(const Shard&) const = default;
};

struct Selection {
  Tier tier = Tier::kCi;              // and every smaller tier
  std::vector<std::string> profiles;  // requested ones; empty: all
  std::string filter;                 // glob over ids; empty: all
  Shard shard;

  // Part of the expected set is left out, so the run can fail but never certify.
  bool partial() const { return !filter.empty() || shard.count > 1; }
  bool operator==(const Selection&) const = default;
};

// "2/4". Bad input says what a shard looks like.
Result<Shard> ParseShard(std::string_view text);

// Bad input: a profile that the spec does not know; names the known ones.
Status CheckProfiles(const std::vector<std::string>& profiles);

// '*' matches any text, '/' included; '?' one character; '[...]' a set.
bool GlobMatch(const std::string& pattern, const std::string& text);

// In case order. With requested profiles: the cases of these profiles, and those that belong to
// none, which count for all.
std::vector<const Case*> SelectCases(const CaseSet& set, const Selection& selection);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_SELECTION_H_
