// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "reference/drafter/derivation.h"
#include "reference/drafter/resolution_output.h"

namespace attest::drafter {
namespace {

std::string NameOrNone(const Tables& tables, const std::optional<BackendId>& backend) {
  return backend.has_value() ? tables.name(*backend) : "none";
}

std::string FamilyText(const Tables& tables, const std::optional<BackendId>& backend) {
  const FamilyRow* family = backend.has_value() ? tables.FindFamily(*backend) : nullptr;
  return family == nullptr ? "" : fmt::format("  (attest's family {})", family->family);
}

std::string LayerText(const LayerPlan& layer) {
  const std::string shape = !layer.sliding ? "full"
                            : layer.window.has_value()
                                ? fmt::format("sliding, window {}", *layer.window)
                                : "sliding, no window";
  return fmt::format("{}, {} ({})", shape, layer.causal ? "causal" : "non-causal",
                     NameOf(layer.source));
}

// Layers that read alike share a line.
std::string LayersText(const Resolution& r) {
  std::string text;
  std::vector<std::string> told;
  for (const LayerPlan& layer : r.layers) {
    const std::string line = LayerText(layer);
    if (std::find(told.begin(), told.end(), line) != told.end()) continue;
    told.push_back(line);
    const std::string names =
        LayerNames(r.layers, [&line](const LayerPlan& other) { return LayerText(other) == line; });
    text += fmt::format("  layers {:<8} {}\n", names, line);
  }
  return text.empty() ? "  no attention layers\n" : text;
}

std::string TableText(const Tables& tables, const std::string& title, const Selection& selection) {
  std::string text = fmt::format("  {}, {} layers{}\n", title, KindOf(selection.config),
                                 selection.asked.has_value() ? ", asked for by name" : "");
  for (const Candidate& candidate : selection.candidates) {
    std::vector<std::string_view> reasons;
    for (const Reason& reason : candidate.reasons) reasons.push_back(reason.text);
    const bool chosen = selection.chosen == candidate.backend;
    text += fmt::format("    {:<24} {}\n", tables.name(candidate.backend),
                        chosen            ? "chosen"
                        : reasons.empty() ? "valid, further down the list"
                                          : fmt::format("{}", fmt::join(reasons, "; ")));
  }
  return text;
}

template <typename List>
std::string Texts(const char* title, const List& list) {
  if (list.empty()) return {};
  std::string text = fmt::format("{}\n", title);
  for (const auto& entry : list) text += fmt::format("  {}: {}\n", entry.id, entry.text);
  return text;
}

std::string AnswerText(const Tables& tables, const Resolution& r) {
  std::string text =
      fmt::format("{}: era {}, runner {}, {}\n", r.rejected() ? "rejected" : "served",
                  NameOf(r.era), NameOf(r.runner), NameOf(r.platform));
  for (const Rejection& rejection : r.rejections) {
    text += fmt::format("  at {}, by {}: {}: {}\n", NameOf(rejection.step),
                        rejection.by_attest ? "attest" : "vLLM", rejection.raised.type,
                        rejection.raised.text);
  }
  text += fmt::format("  target  {}{}\n", NameOrNone(tables, r.target_selection.chosen),
                      FamilyText(tables, r.target_selection.chosen));
  for (const Selection& selection : r.draft_selections) {
    text += fmt::format("  drafter {}{}{}\n", NameOrNone(tables, selection.chosen),
                        FamilyText(tables, selection.chosen),
                        r.draft_selections.size() > 1
                            ? fmt::format("  for {} layers", KindOf(selection.config))
                            : "");
  }
  return text + LayersText(r);
}

}  // namespace

std::string ToText(const Tables& tables, const Resolution& r) {
  std::string text = AnswerText(tables, r);
  if (!r.decisions.empty()) text += "why\n";
  for (const Decision& decision : r.decisions) {
    text += fmt::format("  {:<19} {}\n", NameOf(decision.step), decision.text);
  }
  text += "backends, in the order in which they are tried\n";
  text += TableText(tables, "target", r.target_selection);
  for (const Selection& selection : r.draft_selections) {
    text += TableText(tables, "drafter", selection);
  }
  text += Texts("warnings", r.warnings);
  text +=
      Texts(r.strict ? "stricter rules, which reject" : "stricter rules, which --strict rejects",
            r.strict_findings);
  return text;
}

std::string ToLine(const Tables& tables, const Resolution& r) {
  std::string layers;
  for (const LayerPlan& layer : r.layers) layers += layer.causal ? 'C' : 'N';
  std::string line = fmt::format("{} {} {}", layers.empty() ? "-" : layers,
                                 r.drafter.config.use_non_causal ? "non-causal" : "causal",
                                 NameOrNone(tables, r.target_selection.chosen));
  for (std::size_t i = 0; i < r.draft_selections.size(); ++i) {
    line += fmt::format("{}{}", i == 0 ? " -> " : "+",
                        NameOrNone(tables, r.draft_selections[i].chosen));
  }
  for (const Rejection& rejection : r.rejections) {
    line += fmt::format(" !{}:{}", NameOf(rejection.step), rejection.raised.type);
  }
  for (const Warning& warning : r.warnings) line += fmt::format(" {}", warning.id);
  for (const StrictFinding& finding : r.strict_findings)
    line += fmt::format(" strict:{}", finding.id);
  return line;
}

}  // namespace attest::drafter
