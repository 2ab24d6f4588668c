// SPDX-License-Identifier: Apache-2.0
#include <iterator>

#include "conformance/mutants/mutant.h"

namespace attest {
namespace {

std::vector<Mutant> Shelf() {
  std::vector<Mutant> shelf = {{.id = "faithful", .sentence = "computes what the spec says"}};
  for (const auto room :
       {MaskMutants,  ShapedMaskMutants, WindowMutants,  HeadMutants,  PagingMutants, LayoutMutants,
        CacheMutants, ScoreMutants,      SoftmaxMutants, CallMutants,  BoundsMutants, DraftMutants,
        GraphMutants, PrecisionMutants,  SizeMutants,    SplitMutants, StaleMutants,  StrideMutants,
        TileMutants,  WideMutants,       EdgeMutants,    PathMutants}) {
    const std::vector<Mutant> mutants = room();
    shelf.insert(shelf.end(), mutants.begin(), mutants.end());
  }
  return shelf;
}

}  // namespace

const std::vector<std::string_view>& BugClasses() {
  static const std::vector<std::string_view> kClasses = {
      "alibi-bias-sink",        "api-plumbing",          "batch-invariance",
      "bidirectional-doc-mask", "block-table-slots",     "causal-alignment",
      "empty-or-fully-masked",  "graph-stale-metadata",  "head-mapping-dims",
      "int-overflow",           "key-row-bounds",        "layout-strides",
      "quant-precision",        "race-workspace-uninit", "scale-softcap",
      "selector-capability",    "sliding-window",        "spec-decode-chunked",
      "splitkv-merge-lse"};
  return kClasses;
}

const std::vector<Mutant>& Mutants() {
  static const std::vector<Mutant> kShelf = Shelf();
  return kShelf;
}

const Mutant* FindMutant(std::string_view id) {
  if (id.empty()) return &Mutants().front();
  for (const Mutant& mutant : Mutants()) {
    if (mutant.id == id) return &mutant;
  }
  return nullptr;
}

}  // namespace attest
