// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer's entry. ci/fuzz.sh builds it with clang and runs it for a few seconds.
#include <cstddef>
#include <cstdint>

#include "conformance/drafter/fuzz/entry_points.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attest::drafter::ReadEverywhere({reinterpret_cast<const char*>(data), size});
  return 0;
}
