// SPDX-License-Identifier: Apache-2.0
//
// attest properties, and how attest replay runs what it saved.
#ifndef ATTEST_PROPERTY_TESTS_CLI_PROPERTIES_COMMAND_H_
#define ATTEST_PROPERTY_TESTS_CLI_PROPERTIES_COMMAND_H_

#include "conformance/cli/subcommand.h"

namespace attest {

Subcommand PropertiesCommand();

// Files that name a law.
FileReplay LawReplay();

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_CLI_PROPERTIES_COMMAND_H_
