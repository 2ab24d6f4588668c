// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/subcommand.h"

int main(int argc, char** argv) {
  return attest::RunProgram(
      argc, argv,
      {attest::CertifyCommand(), attest::ReplayCommand(), attest::ListCommand(),
       attest::VerifyCommand(), attest::DiffCommand(), attest::MergeCommand(),
       attest::BenchCommand(), attest::EvalCommand(), attest::JudgeCommand(), attest::KillCommand(),
       attest::ProbeCommand(), attest::StudyCommand()});
}
