// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_CONFORMANCE_DRAFTER_SERVE_H_
#define ATTEST_CONFORMANCE_DRAFTER_SERVE_H_

#include <iosfwd>
#include <string>
#include <string_view>

#include "conformance/drafter/config_mutants.h"

namespace attest::drafter {

// The model, or a mutant of it, as a child of spec/drafter/protocol.md: answers lines until "bye"
// or the end of `in`. nullptr: the model.
void Serve(std::istream& in, std::ostream& out, const ConfigMutant* mutant);

// One line's answer, without the newline; empty: "bye". What is no question gets an object with
// "error", and the id where there is one.
std::string AnswerLine(std::string_view line, const ConfigMutant* mutant);

}  // namespace attest::drafter

#endif  // ATTEST_CONFORMANCE_DRAFTER_SERVE_H_
