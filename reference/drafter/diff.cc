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

bool Applies(const EraEvent& event, const std::string& part, const Platform& platform) {
  const auto holds = [](const std::vector<std::string>& list, std::string_view wanted) {
    return std::find(list.begin(), list.end(), wanted) != list.end();
  };
  return holds(event.touches, part) &&
         (event.platforms.empty() || holds(event.platforms, DeviceName(platform)));
}

}  // namespace

std::vector<Change> Diff(const Tables& tables, const TargetConfig& target, const DraftConfig& draft,
                         ResolveOptions options, Era from, Era to) {
  std::vector<Parts> steps;
  const Era first = std::min(from, to);
  const Era last = std::max(from, to);
  for (const Era era : kAllEras) {
    if (era < first || era > last) continue;
    options.era = era;
    steps.push_back(PartsOf(tables, Resolve(tables, target, draft, options)));
  }
  const Parts& before = from <= to ? steps.front() : steps.back();
  const Parts& after = from <= to ? steps.back() : steps.front();
  std::vector<Change> changes;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i].second == after[i].second) continue;
    Change change{.part = before[i].first, .from = before[i].second, .to = after[i].second};
    for (const EraEvent& event : tables.events) {
      if (event.era <= first || event.era > last) continue;
      const auto step = static_cast<std::size_t>(event.era) - static_cast<std::size_t>(first);
      if (steps[step][i].second == steps[step - 1][i].second) continue;
      if (Applies(event, change.part, options.platform)) change.because.push_back(&event);
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace attest::drafter
