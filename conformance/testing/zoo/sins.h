// SPDX-License-Identifier: Apache-2.0
//
// What each inmate does wrong inside forward.
#ifndef ATTEST_CONFORMANCE_TESTING_ZOO_SINS_H_
#define ATTEST_CONFORMANCE_TESTING_ZOO_SINS_H_

#include <string_view>
#include <vector>

#include "spec/abi/attest.h"

namespace zoo {

using Sin = attest_status_t (*)(const attest_problem_t& problem, const attest_forward_args_t& args,
                                attest_error_t* error);

struct ForwardSinner {
  std::string_view name;
  Sin forward;  // instead of HonestForward, on the problems where it sins
};
const std::vector<ForwardSinner>& ForwardSinners();

// Reads a null page: signal 11 in every build.
void Segfault();

// The file in $ATTEST_ZOO_FILE, by which an inmate and its test talk: a pid as text.
void WriteZooFile(int pid);
bool ZooFileExists();

}  // namespace zoo

#endif  // ATTEST_CONFORMANCE_TESTING_ZOO_SINS_H_
