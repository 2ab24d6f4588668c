// SPDX-License-Identifier: Apache-2.0
#include "property_tests/cli/drafter_check_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "property_tests/drafter/check.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;
namespace dr = drafter;

struct CheckFlags {
  std::string command;
  int questions = 400;
  std::uint64_t seed = 1;
  double deadline_s = 20;
  bool json = false;
};

template <typename T, typename All>
std::vector<T> Named(const All& all, const std::vector<std::string>& names) {
  std::vector<T> chosen;
  for (const T value : all) {
    const std::string name(NameOf(value));
    if (std::find(names.begin(), names.end(), name) != names.end()) chosen.push_back(value);
  }
  return chosen;
}

// What hello offers. Bad input of the implementation's: it offers nothing that exists.
Result<dr::Scope> ScopeOf(const dr::Introduction& introduction) {
  const dr::Scope all;
  dr::Scope scope{.ops = Named<dr::Op>(all.ops, introduction.answers),
                  .eras = Named<dr::Era>(all.eras, introduction.eras),
                  .runners = Named<dr::Runner>(all.runners, introduction.runners)};
  if (scope.ops.empty() || scope.eras.empty() || scope.runners.empty()) {
    return EnvironmentError("--impl: hello offers no answers, eras or runners that exist");
  }
  return scope;
}

Json ToJson(const dr::CheckResult& result, const CheckFlags& flags, const std::string& name) {
  Json json = {{"implementation", name},    {"seed", flags.seed},
               {"asked", result.asked},     {"wrong", result.wrong},
               {"faults", result.faults},   {"not_supported", result.not_supported},
               {"failures", Json::array()}, {"known_mistakes", Json::array()}};
  for (const dr::CheckFailure& failure : result.failures) {
    Json entry = {{"question", dr::ToJson(failure.smallest)}, {"differs", Json::array()}};
    if (!failure.fault.empty()) entry["fault"] = failure.fault;
    for (const dr::Difference& difference : failure.differences) {
      entry["differs"].push_back({{"field", difference.field},
                                  {"expected", difference.expected},
                                  {"got", difference.got}});
    }
    json["failures"].push_back(entry);
  }
  for (const dr::ConfigMutant* mutant : result.named) {
    json["known_mistakes"].push_back(std::string(mutant->id));
  }
  return json;
}

void PrintFailure(const dr::CheckFailure& failure) {
  fmt::print("\nwrong: {}{}\n", dr::NameOf(failure.smallest.op),
             failure.tries > 0 ? fmt::format(" (smallest of {} tries)", failure.tries) : "");
  fmt::print("  question: {}\n", dr::ToJson(failure.smallest).dump());
  if (!failure.fault.empty()) fmt::print("  {}\n", failure.fault);
  for (const dr::Difference& difference : failure.differences) {
    fmt::print("  {}: must be {}, is {}\n", difference.field, difference.expected.dump(),
               difference.got.dump());
  }
}

void PrintNames(const dr::CheckResult& result) {
  if (result.wrong == 0) return;
  if (result.named.empty()) {
    fmt::print("\nno known mistake predicts all of these answers\n");
    return;
  }
  fmt::print("\nevery answer is what this known mistake gives:\n");
  for (const dr::ConfigMutant* mutant : result.named) {
    fmt::print("  {}: {} ({})\n", mutant->id, mutant->sentence, mutant->reference);
  }
}

Result<ExitCode> RunDrafterCheck(const CheckFlags& flags) {
  if (flags.questions < 1) return BadInput("--questions: at least 1");
  if (!(flags.deadline_s > 0)) return BadInput("--deadline: more than 0 seconds");
  Result<std::unique_ptr<dr::Implementation>> opened =
      dr::Implementation::Open(flags.command, flags.deadline_s);
  if (!opened.ok()) return opened.status();
  dr::Implementation& implementation = **opened;
  const dr::Introduction introduction = implementation.introduction();
  if (!introduction.not_available.empty()) {
    return EnvironmentError(fmt::format("--impl: not available: {}", introduction.not_available));
  }
  const Result<dr::Scope> scope = ScopeOf(introduction);
  if (!scope.ok()) return scope.status();
  const dr::CheckPlan plan{.questions = flags.questions,
                           .seed = flags.seed,
                           .scope = *scope,
                           .fields = introduction.fields};
  const Result<dr::CheckResult> result = dr::RunCheck(
      plan, [&implementation](const Json& question) { return implementation.Put(question); });
  if (!result.ok()) return result.status();
  if (flags.json) {
    fmt::print("{}\n", ToJson(*result, flags, introduction.name).dump(2));
  } else {
    fmt::print("{}: {} questions, seed {}: {} wrong, {} faults, {} not supported{}\n",
               introduction.name, result->asked, flags.seed, result->wrong, result->faults,
               result->not_supported,
               result->not_supported > 0 ? fmt::format(" ({})", result->why_not_supported) : "");
    for (const dr::CheckFailure& failure : result->failures) PrintFailure(failure);
    PrintNames(*result);
    if (result->too_few()) fmt::print("more than half of the questions were not answered\n");
  }
  return result->agrees() ? ExitCode::kDone : ExitCode::kNotConformant;
}

}  // namespace

Subcommand DrafterCheckCommand() {
  return {.name = "check",
          .summary = "Hold an implementation of the drafter's rules against the model",
          .examples =
              "Examples:\n"
              "  attest drafter check --impl 'attest drafter serve'\n"
              "  attest drafter check --impl 'python3 conformance/drafter/vllm_adapter.py'\n"
              "\nThe command is run by a shell and answers spec/drafter/protocol.md. Exits with 0\n"
              "when all answers agree, 1 when one does not, 3 when it cannot be started.",
          .declare = [](CLI::App& app) -> Action {
            auto flags = std::make_shared<CheckFlags>();
            app.add_option("--impl", flags->command, "shell command")->required();
            app.add_option("--questions", flags->questions, "random ones of each kind")
                ->capture_default_str();
            app.add_option("--seed", flags->seed, "of the questions")->capture_default_str();
            app.add_option("--deadline", flags->deadline_s,
                           "seconds for one answer; 15 times that for hello")
                ->capture_default_str();
            app.add_flag("--json", flags->json, "print JSON");
            return [flags] { return RunDrafterCheck(*flags); };
          }};
}

}  // namespace attest
