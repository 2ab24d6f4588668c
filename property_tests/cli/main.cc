// SPDX-License-Identifier: Apache-2.0
//
// The program attest, put together from the subcommands of all floors.
#include "property_tests/cli/drafter_check_command.h"
#include "property_tests/cli/properties_command.h"

int main(int argc, char** argv) {
  std::vector<attest::Subcommand> commands =
      attest::ConformanceCommands({attest::LawReplay()}, {attest::DrafterCheckCommand()});
  commands.push_back(attest::PropertiesCommand());
  return attest::RunProgram(argc, argv, commands);
}
