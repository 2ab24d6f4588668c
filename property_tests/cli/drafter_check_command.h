// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_PROPERTY_TESTS_CLI_DRAFTER_CHECK_COMMAND_H_
#define ATTEST_PROPERTY_TESTS_CLI_DRAFTER_CHECK_COMMAND_H_

#include "conformance/cli/subcommand.h"

namespace attest {

// attest drafter check: holds somebody's implementation against the model.
Subcommand DrafterCheckCommand();

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_CLI_DRAFTER_CHECK_COMMAND_H_
