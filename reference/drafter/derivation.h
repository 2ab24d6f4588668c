// SPDX-License-Identifier: Apache-2.0
//
// The state of one resolution, shared by the steps of resolve.cc, speculative.cc and findings.cc.
#ifndef ATTEST_REFERENCE_DRAFTER_DERIVATION_H_
#define ATTEST_REFERENCE_DRAFTER_DERIVATION_H_

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "reference/drafter/resolve.h"

namespace attest::drafter {

struct Derivation {
  const Tables& tables;
  const TargetConfig& target;
  DraftConfig draft;  // after the speculators translation
  const ResolveOptions& options;
  const MethodRow* method = nullptr;
  Resolution out;

  Era era() const { return options.era; }
  bool dflash_like() const { return method != nullptr && method->reads_dflash_rules; }

  void Reject(Step step, Raised raised, bool by_attest = false) {
    out.rejections.push_back({step, by_attest, std::move(raised)});
  }
  void Reject(Step step, std::string type, std::string text) {
    Reject(step, Raised{std::move(type), std::move(text)});
  }
  // `say` makes the line; it is not called when nobody wants to read it.
  template <typename Say>
  void Decide(Step step, Say say) {
    if (options.explain) out.decisions.push_back({step, say()});
  }
  // The sentence of spec/drafter/warnings.json with its {} filled in.
  template <typename... Args>
  void Warn(std::string_view id, const Args&... args) {
    const NamedText* text = tables.FindWarning(id);
    if (text == nullptr) return;
    out.warnings.push_back({text->id, fmt::format(fmt::runtime(text->sentence), args...)});
  }
  template <typename... Args>
  void Stricter(std::string_view id, const Args&... args) {
    const NamedText* text = tables.FindStrictRule(id);
    if (text == nullptr) return;
    out.strict_findings.push_back({text->id, fmt::format(fmt::runtime(text->sentence), args...)});
  }
};

// speculative.cc: method, K and sizes; the draft config's shapes.
void DeriveSpeculative(Derivation& d);
void DeriveDraftShapes(Derivation& d);
// findings.cc: warnings and stricter rules, once everything else is known.
void AddFindings(Derivation& d);

// "0-3, 5" of the layers for which `wanted` holds.
template <typename Wanted>
std::string LayerNames(const std::vector<LayerPlan>& layers, Wanted wanted) {
  std::string text;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (!wanted(layers[i])) continue;
    std::size_t last = i;
    while (last + 1 < layers.size() && wanted(layers[last + 1])) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", i);
    if (last > i) text += fmt::format("-{}", last);
    i = last;
  }
  return text;
}

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_DERIVATION_H_
