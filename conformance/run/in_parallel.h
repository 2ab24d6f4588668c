// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_CONFORMANCE_RUN_IN_PARALLEL_H_
#define ATTEST_CONFORMANCE_RUN_IN_PARALLEL_H_

#include <cstddef>
#include <functional>

namespace attest {

// Runs work(0) ... work(count - 1) in `jobs` threads, this one among them; each takes the next
// number that is left.
void InParallel(std::size_t count, int jobs, const std::function<void(std::size_t)>& work);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_IN_PARALLEL_H_
