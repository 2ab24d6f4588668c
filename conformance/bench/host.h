// SPDX-License-Identifier: Apache-2.0
//
// The machine that a measurement was made on, and what this process takes of its memory.
#ifndef ATTEST_CONFORMANCE_BENCH_HOST_H_
#define ATTEST_CONFORMANCE_BENCH_HOST_H_

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "spec/vocabulary/status.h"

namespace attest {

struct Host {
  std::string cpu;       // model name of the first processor
  int cores = 0;         // that this process may use
  std::string compiler;  // name and version
  std::string flags;     // of every file of this build
  std::string date;      // UTC, YYYY-MM-DD
};
Host DescribeHost();
nlohmann::ordered_json ToJson(const Host& host);

// Most resident memory that `run` added to what the process had when it was called, in bytes. It
// reads and resets the peak that Linux keeps in /proc/self: environment error where that cannot be
// done.
Result<std::uint64_t> PeakBytesOf(const std::function<Status()>& run);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_BENCH_HOST_H_
