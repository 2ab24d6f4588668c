// SPDX-License-Identifier: Apache-2.0
//
// A resolution for people, for machines, and as the difference between two eras.
#ifndef ATTEST_REFERENCE_DRAFTER_RESOLUTION_OUTPUT_H_
#define ATTEST_REFERENCE_DRAFTER_RESOLUTION_OUTPUT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "reference/drafter/resolve.h"

namespace attest::drafter {

// Every field of the resolution by name; spec/drafter/README.md lists them. Stable: fields are
// added, never renamed.
nlohmann::ordered_json ToJson(const Tables& tables, const Resolution& resolution);

// The answer, then why, one line a decision, then the reason table.
std::string ToText(const Tables& tables, const Resolution& resolution);

// One line: "served CCCCN FLASH_ATTN/FLEX_ATTENTION slow-backend ...", for tables of many.
std::string ToLine(const Tables& tables, const Resolution& resolution);

// One part of the answer that changed, and the events that changed it.
struct Change {
  std::string part;  // "drafter.backend"; the words of `touches` in spec/drafter/eras.json
  std::string from;
  std::string to;
  std::vector<const EraEvent*> because;
};
// What changes for one configuration from one era to another, in the order of the parts; empty: the
// same answer. Every era between is resolved, and an event counts only where the part moved in its
// era. Going back in time names the same events.
std::vector<Change> Diff(const Tables& tables, const TargetConfig& target, const DraftConfig& draft,
                         ResolveOptions options, Era from, Era to);

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_RESOLUTION_OUTPUT_H_
