// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/selection.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <charconv>

#include "spec/vocabulary/clause.h"

namespace attest {
namespace {

bool ParseInt(std::string_view text, int& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool Contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool OfRequestedProfile(const Case& value, const std::vector<std::string>& requested) {
  if (requested.empty() || value.profiles.empty()) return true;
  return std::any_of(value.profiles.begin(), value.profiles.end(),
                     [&](const std::string& profile) { return Contains(requested, profile); });
}

}  // namespace

Result<Shard> ParseShard(std::string_view text) {
  Shard shard;
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || !ParseInt(text.substr(0, slash), shard.index) ||
      !ParseInt(text.substr(slash + 1), shard.count) || shard.count < 1 || shard.index < 1 ||
      shard.index > shard.count) {
    return BadInput(fmt::format("--shard '{}': a shard is i/n with 1 <= i <= n, as in 2/4", text));
  }
  return shard;
}

Status CheckProfiles(const std::vector<std::string>& profiles) {
  for (const std::string& profile : profiles) {
    if (Contains(ProfileNames(), profile)) continue;
    return BadInput(fmt::format("--profile '{}': no such profile; there are {}", profile,
                                fmt::join(ProfileNames(), ", ")));
  }
  return {};
}

bool GlobMatch(const std::string& pattern, const std::string& text) {
  return fnmatch(pattern.c_str(), text.c_str(), FNM_NOESCAPE) == 0;
}

std::vector<const Case*> SelectCases(const CaseSet& set, const Selection& selection) {
  std::vector<const Case*> selected;
  int position = 0;
  for (const Case& value : set.cases) {
    if (value.tier > selection.tier) continue;
    if (!OfRequestedProfile(value, selection.profiles)) continue;
    if (!selection.filter.empty() && !GlobMatch(selection.filter, value.id)) continue;
    if (position++ % selection.shard.count == selection.shard.index - 1) selected.push_back(&value);
  }
  return selected;
}

}  // namespace attest
