// SPDX-License-Identifier: Apache-2.0
//
// attest drafter prepare: the proposer's tensors for a batch. attest drafter serve: the model as an
// implementation.
#ifndef ATTEST_CONFORMANCE_CLI_DRAFTER_PREPARE_COMMAND_H_
#define ATTEST_CONFORMANCE_CLI_DRAFTER_PREPARE_COMMAND_H_

#include "conformance/cli/subcommand.h"

namespace attest {

Subcommand DrafterPrepareCommand();
Subcommand DrafterServeCommand();

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_DRAFTER_PREPARE_COMMAND_H_
