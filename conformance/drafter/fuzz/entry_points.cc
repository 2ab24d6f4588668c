// SPDX-License-Identifier: Apache-2.0
#include "conformance/drafter/fuzz/entry_points.h"

#include <cstdlib>

#include "conformance/drafter/serve.h"
#include "reference/drafter/batch_json.h"
#include "reference/drafter/parse.h"
#include "reference/drafter/resolve.h"

namespace attest::drafter {
namespace {

constexpr std::string_view kFile = "file.json";

void CheckError(const Status& status) {
  const bool placed = status.message().starts_with("file.json");
  if (!placed || status.code() != StatusCode::kBadInput) std::abort();
}

void ReadBatch(std::string_view text) {
  for (const Runner runner : kAllRunners) {
    const Result<BatchRequest> batch = ParseBatch(kFile, text, runner);
    if (!batch.ok()) {
      CheckError(batch.status());
      continue;
    }
    if (PreparedJson(*batch, runner, Era::kE5).dump().empty()) std::abort();
  }
}

void ReadConfigs(std::string_view text) {
  const Result<TargetConfig> target = ParseTarget(kFile, text);
  if (!target.ok()) CheckError(target.status());
  const Result<DraftConfig> draft = ParseDraft(kFile, text);
  if (!draft.ok()) CheckError(draft.status());
  const Result<const Tables*> tables = LoadTables();
  if (!tables.ok()) std::abort();
  for (const Era era : {Era::kE0, Era::kE2, Era::kE5}) {
    const ResolveOptions options{.era = era, .runner = Runner::kR2};
    (void)Resolve(**tables, target.ok() ? *target : TargetConfig{},
                  draft.ok() ? *draft : DraftConfig{}, options);
  }
}

}  // namespace

void ReadEverywhere(std::string_view text) {
  ReadBatch(text);
  ReadConfigs(text);
  (void)AnswerLine(text, nullptr);
}

}  // namespace attest::drafter
