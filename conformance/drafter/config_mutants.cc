// SPDX-License-Identifier: Apache-2.0
#include "conformance/drafter/config_mutants.h"

#include <algorithm>

#include "reference/drafter/batch_json.h"

namespace attest::drafter {

using Json = nlohmann::ordered_json;

const std::vector<ConfigMutant>& ConfigMutants() {
  static const std::vector<ConfigMutant> kMutants = [] {
    std::vector<ConfigMutant> all;
    for (const auto room : {PrepareMutants, DerivationMutants, SelectorMutants}) {
      const std::vector<ConfigMutant> mutants = room();
      all.insert(all.end(), mutants.begin(), mutants.end());
    }
    return all;
  }();
  return kMutants;
}

const ConfigMutant* FindConfigMutant(std::string_view id) {
  const std::vector<ConfigMutant>& all = ConfigMutants();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [id](const ConfigMutant& mutant) { return mutant.id == id; });
  return found == all.end() ? nullptr : &*found;
}

Result<Json> PrepareAnswer(const Question& question, const PrepareHooks& hooks) {
  Result<BatchRequest> request = BatchFromJson(question.batch, question.runner);
  if (!request.ok()) return BadInput("batch." + request.status().message());
  Runner runner = question.runner;
  if (hooks.batch != nullptr) hooks.batch(question.batch, request->batch, runner);
  DraftInputs inputs = PrepareInputs(request->batch, runner);
  if (hooks.inputs != nullptr) hooks.inputs(request->batch, runner, inputs);
  return ToJson(inputs, question.runner);
}

Result<Json> AnswerOf(const Question& question, const ConfigMutant* mutant) {
  if (question.op == Op::kResolve) return ResolveAnswer(question, mutant);
  return PrepareAnswer(question, mutant == nullptr ? PrepareHooks{} : mutant->prepare);
}

}  // namespace attest::drafter
