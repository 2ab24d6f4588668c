// SPDX-License-Identifier: Apache-2.0
//
// Mutants that tier smoke has no case for: 150 small cases cannot hold every trigger. Every other
// mutant has to die there.
#include <algorithm>
#include <array>

#include "conformance/kill/report.h"

namespace attest {
namespace {

constexpr std::array<std::string_view, 54> kCi = {"address-width-from-size",
                                                  "batch-past-grid",
                                                  "block-mean-of-first-block",
                                                  "cascade-sink-missing",
                                                  "chunk-count-floors",
                                                  "claims-everything",
                                                  "common-prefix-apart",
                                                  "context-of-first-request-decides",
                                                  "decode-batch-planned-as-rows",
                                                  "decode-query-packed",
                                                  "far-rows-dropped",
                                                  "feature-silently-ignored",
                                                  "graph-causality-of-capture",
                                                  "graph-local-blocks-of-capture",
                                                  "head-256-packed",
                                                  "head-size-taken-as-128",
                                                  "heads-as-rows",
                                                  "index-buffer-counted-in-pages",
                                                  "int8-decode-cut-at-128",
                                                  "last-key-missing-from-4096",
                                                  "last-row-tile-reads-past-end",
                                                  "latent-merge-overflows",
                                                  "latent-offset-wraps",
                                                  "long-requests-split-by-batch",
                                                  "mask-cut-at-causal-tile",
                                                  "mask-lost-beside-window",
                                                  "mask-offset-wraps",
                                                  "mask-row-offset-wraps",
                                                  "maximum-clamped-at-zero",
                                                  "merge-reads-packed-columns",
                                                  "page-number-of-16-bits",
                                                  "page-of-128-repeated",
                                                  "position-of-16-bits",
                                                  "products-in-fp16",
                                                  "query-offset-wraps",
                                                  "query-rows-zeroed-in-large-batch",
                                                  "refusal-after-yes",
                                                  "refusal-touches-output",
                                                  "right-window-cut-at-row-tile",
                                                  "rows-padded-to-four",
                                                  "rows-past-window-unwritten",
                                                  "scale-of-packed-page",
                                                  "sink-capped",
                                                  "sink-lost-with-narrow-cache",
                                                  "sink-twice-behind-empty-split",
                                                  "softcap-overflow",
                                                  "sum-order-follows-batch",
                                                  "sum-slot-lost",
                                                  "tile-shares-maximum",
                                                  "value-is-key-in-shared-page",
                                                  "value-scale-lost-in-latent",
                                                  "warp-without-keys-nan",
                                                  "weights-saturate",
                                                  "window-pages-of-longest"};

}  // namespace

Tier TierThatKills(std::string_view mutant) {
  return std::find(kCi.begin(), kCi.end(), mutant) != kCi.end() ? Tier::kCi : Tier::kSmoke;
}

}  // namespace attest
