// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "reference/drafter/resolution_output.h"

namespace attest::drafter {
namespace {

using Parts = std::vector<std::pair<std::string, std::string>>;

std::string NameOrNone(const Tables& tables, const std::optional<BackendId>& backend) {
  return backend.has_value() ? tables.name(*backend) : "none";
}

std::string Drafters(const Tables& tables, const Resolution& r) {
  std::vector<std::string> names;
  for (const Selection& selection : r.draft_selections) {
    names.push_back(NameOrNone(tables, selection.chosen));
  }
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, " + "));
}

std::string Layers(const Resolution& r) {
  std::vector<std::string> all;
  for (const LayerPlan& layer : r.layers) {
    all.push_back(fmt::format("{}{}", layer.causal ? "causal" : "non-causal",
                              layer.window    ? fmt::format(" window {}", *layer.window)
                              : layer.sliding ? " sliding"
                                              : ""));
  }
  // "5 x non-causal" where all are alike
  const bool alike = std::all_of(all.begin(), all.end(),
                                 [&all](const std::string& text) { return text == all.front(); });
  if (all.empty()) return "none";
  if (alike) return fmt::format("{} x {}", all.size(), all.front());
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string Reasons(const Tables& tables, const Resolution& r) {
  std::string text;
  const auto add = [&](const char* side, const Selection& selection) {
    for (const Candidate& candidate : selection.candidates) {
      for (const Reason& reason : candidate.reasons) {
        text += fmt::format("{}{} {}: {}", text.empty() ? "" : "; ", side,
                            tables.name(candidate.backend), reason.text);
      }
    }
  };
  add("target", r.target_selection);
  for (const Selection& selection : r.draft_selections) add("drafter", selection);
  return text.empty() ? "none" : text;
}

template <typename List, typename Name>
std::string Joined(const List& list, Name name) {
  std::string text;
  for (const auto& entry : list) text += fmt::format("{}{}", text.empty() ? "" : "; ", name(entry));
  return text.empty() ? "none" : text;
}

std::string Records(const Resolution& r) {
  return Joined(r.records, [](const MetadataRecord& record) {
    return fmt::format("asked {}, metadata {}", record.asked_causal ? "causal" : "non-causal",
                       record.metadata_causal.text);
  });
}

Parts PartsOf(const Tables& tables, const Resolution& r) {
  const auto flag = [](bool value) { return std::string(value ? "yes" : "no"); };
  const auto id = [](const auto& entry) { return entry.id; };
  return {{"rejections", Joined(r.rejections,
                                [](const Rejection& rejection) {
                                  return fmt::format("{}: {}", rejection.raised.type,
                                                     rejection.raised.text);
                                })},
          {"target.backend", NameOrNone(tables, r.target_selection.chosen)},
          {"target.use_non_causal", flag(r.target.use_non_causal)},
          {"drafter.backend", Drafters(tables, r)},
          {"drafter.backend_from", r.drafter.config.backend_from},
          {"drafter.use_non_causal", flag(r.drafter.config.use_non_causal)},
          {"drafter.mm_prefix", flag(r.drafter.config.is_mm_prefix_lm)},
          {"drafter.sinks", flag(r.drafter.has_sinks)},
          {"drafter.aux_layers", fmt::format("{}", fmt::join(r.drafter.aux_layers.ids, ", "))},
          {"layers", Layers(r)},
          {"records", Records(r)},
          {"reasons", Reasons(tables, r)},
          {"warnings", Joined(r.warnings, id)}};
}

}  // namespace

std::vector<Change> Diff(const Tables& tables, const Resolution& from, const Resolution& to) {
  const Parts before = PartsOf(tables, from);
  const Parts after = PartsOf(tables, to);
  const Era first = std::min(from.era, to.era);
  const Era last = std::max(from.era, to.era);
  std::vector<Change> changes;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i].second == after[i].second) continue;
    Change change{.part = before[i].first, .from = before[i].second, .to = after[i].second};
    for (const EraEvent& event : tables.events) {
      if (event.era <= first || event.era > last) continue;
      const auto& touches = event.touches;
      if (std::find(touches.begin(), touches.end(), change.part) == touches.end()) continue;
      change.because.push_back(&event);
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace attest::drafter
