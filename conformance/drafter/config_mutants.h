// SPDX-License-Identifier: Apache-2.0
//
// Wrong implementations of the drafter's rules, as values: the model with small functions put in at
// named points. Most are mistakes that a real system made.
#ifndef ATTEST_CONFORMANCE_DRAFTER_CONFIG_MUTANTS_H_
#define ATTEST_CONFORMANCE_DRAFTER_CONFIG_MUTANTS_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/drafter/question.h"
#include "reference/drafter/proposer.h"
#include "reference/drafter/resolve.h"

namespace attest::drafter {

// Each is null in the model itself.
struct PrepareHooks {
  // Before the tensors are computed. `asked` is the batch as it was sent.
  void (*batch)(const nlohmann::ordered_json& asked, DraftBatch& edits, Runner& runner) = nullptr;
  // After them.
  void (*inputs)(const DraftBatch& batch, Runner runner, DraftInputs& edits) = nullptr;
};

struct ResolveHooks {
  void (*tables)(Tables& edits) = nullptr;  // asked once
  void (*configs)(TargetConfig& target, DraftConfig& draft, ResolveOptions& options) = nullptr;
  // After the resolution; may resolve anew by other configs.
  void (*answer)(const Question& question, nlohmann::ordered_json& edits) = nullptr;
};

struct ConfigMutant {
  std::string_view id;
  std::string_view sentence;   // what it computes
  std::string_view reference;  // where it was seen: "owner/repository#number"; or why it is here
  std::string_view bug = {};   // the entry of spec/bugs that it is; empty: none
  PrepareHooks prepare;
  ResolveHooks resolve;

  bool changes(Op op) const {
    return op == Op::kPrepare ? prepare.batch != nullptr || prepare.inputs != nullptr
                              : resolve.tables != nullptr || resolve.configs != nullptr ||
                                    resolve.answer != nullptr;
  }
};

// Every mutant once; the model is none of them.
const std::vector<ConfigMutant>& ConfigMutants();
// nullptr: no such id.
const ConfigMutant* FindConfigMutant(std::string_view id);

// The rooms of the shelf.
std::vector<ConfigMutant> PrepareMutants();
std::vector<ConfigMutant> DerivationMutants();
std::vector<ConfigMutant> SelectorMutants();

// The model's answer, or that of `mutant`. Bad input: what is wrong with the question.
Result<nlohmann::ordered_json> AnswerOf(const Question& question, const ConfigMutant* mutant);

// The two halves of it.
Result<nlohmann::ordered_json> PrepareAnswer(const Question& question, const PrepareHooks& hooks);
Result<nlohmann::ordered_json> ResolveAnswer(const Question& question, const ConfigMutant* mutant);

}  // namespace attest::drafter

#endif  // ATTEST_CONFORMANCE_DRAFTER_CONFIG_MUTANTS_H_
