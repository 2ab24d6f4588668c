// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/preludes.h"

#include <algorithm>

#include "conformance/mutants/in_process.h"

namespace attest {
namespace {

constexpr std::uint64_t kOtherSeed = 0x0EA41E4C0FFEE123ULL;  // of contents that are over

// Changes `problem` in one thing; false where it has not that thing.
using Change = bool (*)(Problem& problem);

struct NamedChange {
  const char* how;
  Change change;
};

bool IsDecoder(const Problem& problem) { return problem.attention_type == AttentionType::kDecoder; }

bool ChangeLengths(Problem& problem, std::int64_t (*seq_len)(const Request&)) {
  if (problem.attention_type == AttentionType::kEncoderOnly) return false;
  for (Request& request : problem.requests) request.seq_len = seq_len(request);
  return true;
}

bool GiveEachRows(Problem& problem, std::int64_t rows) {
  const bool encoder = problem.attention_type == AttentionType::kEncoderOnly;
  for (Request& request : problem.requests) {
    request.q_len = rows;
    request.seq_len = encoder ? rows : std::max(request.seq_len, rows);
  }
  return true;
}

DType Sibling(DType dtype) {
  switch (dtype) {
    case DType::kBFloat16:
      return DType::kFloat16;
    case DType::kFloat16:
      return DType::kBFloat16;
    case DType::kFloat8E4M3FN:
      return DType::kFloat8E5M2;
    case DType::kFloat8E5M2:
    case DType::kFloat8E4M3FNUZ:
      return DType::kFloat8E4M3FN;
    default:
      return dtype;
  }
}

bool HasPlainMask(const Problem& problem) {
  return problem.custom_mask == MaskKind::kNone && !problem.tree_mask;
}

constexpr NamedChange kChanges[] = {
    {"a call of the same lengths", [](Problem&) { return true; }},
    {"a call with another scale",
     [](Problem& p) {
       p.scale *= 0.5F;
       return true;
     }},
    {"a call without a cap",
     [](Problem& p) {
       const bool capped = p.softcap > 0;
       p.softcap = 0;
       return capped;
     }},
    {"a call of the other causality",
     [](Problem& p) {
       if (!IsDecoder(p) || p.causality == Causality::kPerRequest) return false;
       p.causality = p.causality == Causality::kCausal ? Causality::kNonCausal : Causality::kCausal;
       return true;
     }},
    {"a call without a window",
     [](Problem& p) {
       const bool windowed = p.window_left > 0 || p.window_right > 0;
       p.window_left = p.window_right = 0;
       return windowed;
     }},
    {"a call with longer requests and a wider table",
     [](Problem& p) {
       return ChangeLengths(p, [](const Request& r) { return 2 * r.seq_len + 37; });
     }},
    {"a call with shorter requests",
     [](Problem& p) {
       return ChangeLengths(p, [](const Request& r) {
         return std::max<std::int64_t>(r.q_len, std::min<std::int64_t>(r.seq_len, 2));
       });
     }},
    {"a call with its requests in the opposite order",
     [](Problem& p) {
       std::reverse(p.requests.begin(), p.requests.end());
       return p.requests.size() > 1;
     }},
    {"a call with more requests",
     [](Problem& p) {
       if (p.requests.size() < 2) return false;
       const std::vector<Request> again = p.requests;
       const std::vector<bool> causal = p.request_causal;
       p.requests.insert(p.requests.end(), again.begin(), again.end());
       p.request_causal.insert(p.request_causal.end(), causal.begin(), causal.end());
       std::rotate(p.requests.begin(), p.requests.begin() + 1, p.requests.end());
       return true;
     }},
    {"a call with one new token for each request", [](Problem& p) { return GiveEachRows(p, 1); }},
    {"a call with nine new tokens for each request", [](Problem& p) { return GiveEachRows(p, 9); }},
    {"a call with a boolean mask",
     [](Problem& p) {
       const bool plain = HasPlainMask(p);
       p.custom_mask = MaskKind::kBoolean;
       return plain;
     }},
    {"a call without a mask",
     [](Problem& p) {
       const bool masked = !HasPlainMask(p);
       p.custom_mask = MaskKind::kNone;
       p.custom_mask_broadcast = {};
       p.tree_mask = false;
       return masked;
     }},
    {"a call in other number formats",
     [](Problem& p) {
       const DType query = p.query_dtype;
       const DType cache = p.cache_dtype;
       p.query_dtype = Sibling(query);
       p.cache_dtype = Sibling(cache);
       p.output_dtype = Sibling(p.output_dtype);
       if (p.additive_mask_dtype == query) p.additive_mask_dtype = p.query_dtype;
       return p.cache_dtype != cache || p.query_dtype != query;
     }},
};

}  // namespace

std::vector<Prelude> PreludesOf(const Case& value) {
  std::vector<Prelude> preludes;
  for (const NamedChange& change : kChanges) {
    Prelude prelude{.how = change.how, .value = value};
    prelude.value.kind = CaseKind::kForward;
    if (!change.change(prelude.value.problem)) continue;
    if (Validate(prelude.value.problem).ok()) preludes.push_back(std::move(prelude));
  }
  return preludes;
}

Result<CaseInputs> BuildPrelude(const Prelude& prelude, std::uint64_t seed) {
  return BuildInputs(prelude.value, seed ^ kOtherSeed, {.page_seed = kOtherSeed});
}

std::vector<Memory> MemoriesOf(const Case& value, const CaseInputs& inputs) {
  std::vector<Memory> memories;
  const auto remember = [&](const Problem& problem, const CaseInputs& earlier) {
    CallMemories kept;
    RememberCall(problem, TensorsOf(earlier.image), kept);
    memories.push_back(MemoryAt(value.problem, kept));
  };
  if (value.kind == CaseKind::kDeterminism) remember(value.problem, inputs);
  if (value.kind != CaseKind::kAfterOthers) return memories;
  for (const Prelude& prelude : PreludesOf(value)) {
    const Result<CaseInputs> earlier = BuildPrelude(prelude, 0);
    if (earlier.ok()) remember(prelude.value.problem, *earlier);
  }
  return memories;
}

}  // namespace attest
