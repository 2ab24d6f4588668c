// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "conformance/cli/eval_command.h"
#include "conformance/cli/subcommand.h"
#include "conformance/diagnose/diagnosis.h"
#include "conformance/eval/judge_output.h"
#include "spec/cases/spec.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

struct JudgeFlags {
  CallFlags call;
  std::string output;
  std::string lse;
  bool json = false;
};

// What the wrong output behaves like; there is no backend to ask more.
Diagnosis DiagnosisOf(const UserCall& call, const Expected& expected,
                      const OutputJudgement& judgement) {
  const Numbers numbers{.problem = call.problem(),
                        .tensors = call.tensors,
                        .outputs = {},
                        .expected = expected,
                        .allowed = expected.out_bound,
                        .allowed_lse = expected.lse_bound,
                        .got = judgement.got,
                        .got_lse = judgement.got_lse};
  return DiagnoseNumbers(numbers);
}

Result<ExitCode> RunJudge(const JudgeFlags& flags) {
  const Result<UserCall> call =
      ReadUserCall(flags.call.problem, flags.call.tensors, ParseBatchLayout(flags.call.layout));
  if (!call.ok()) return call.status();
  const Result<NpyArray> out = ReadNpy(flags.output);
  if (!out.ok()) return out.status();
  NpyArray lse;
  if (!flags.lse.empty()) {
    Result<NpyArray> read = ReadNpy(flags.lse);
    if (!read.ok()) return read.status();
    lse = std::move(*read);
  }
  const Result<Evaluation> evaluation = Evaluate(flags.call, *call, false);
  if (!evaluation.ok()) return evaluation.status();
  const Result<OutputJudgement> judgement =
      JudgeOutput(call->about, evaluation->expected, *out, lse);
  if (!judgement.ok()) return judgement.status();
  Json json = ToJson(*judgement, flags.call.arithmetic);
  std::string text = CallText(*call) + JudgementText(*judgement, flags.call.arithmetic);
  if (!judgement->pass()) {
    const Result<Spec> spec = LoadSpec();
    if (!spec.ok()) return InternalError(spec.status().message());
    const std::vector<MutantEntry> catalogue = MutantCatalogue(spec->clauses);
    const Diagnosis diagnosis = DiagnosisOf(*call, evaluation->expected, *judgement);
    json["diagnosis"] = ToJson(diagnosis, catalogue);
    text += DiagnosisText(diagnosis, catalogue);
  }
  fmt::print("{}", flags.json ? json.dump(2) + "\n" : text);
  return judgement->pass() ? ExitCode::kDone : ExitCode::kNotConformant;
}

}  // namespace

Subcommand JudgeCommand() {
  return {
      .name = "judge",
      .summary = "Hold an output that was dumped from a running server against its bound",
      .examples =
          "Examples:\n"
          "  attest judge --problem P.json --tensors DIR --output out.npy\n"
          "  attest judge --problem P.json --tensors DIR --output out.npy --lse lse.npy --json\n"
          "\nThe output has the query's shape with head_dim_v columns; its type is the problem's\n"
          "output_dtype, or float32 or float64 that it was converted to. Exits with 0 when\n"
          "every number is within its bound, 1 when one is not, 2 for unreadable input. The\n"
          "files and their rules: spec/cases/EVAL.md.",
      .declare = [](CLI::App& app) -> Action {
        auto flags = std::make_shared<JudgeFlags>();
        AddCallFlags(app, flags->call);
        app.get_option("--problem")->required();
        app.get_option("--tensors")->required();
        app.add_option("--output", flags->output, "NPY file to judge")->required();
        app.add_option("--lse", flags->lse, "NPY file of its LSE, natural logarithm");
        app.add_flag("--json", flags->json, "print JSON");
        return [flags] { return RunJudge(*flags); };
      }};
}

}  // namespace attest
