// SPDX-License-Identifier: Apache-2.0
//
// Where the model runs. The capability decides priority lists and what a backend can do.
#ifndef ATTEST_REFERENCE_DRAFTER_PLATFORM_H_
#define ATTEST_REFERENCE_DRAFTER_PLATFORM_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "spec/vocabulary/status.h"

namespace attest::drafter {

struct Capability {
  int major = 0;
  int minor = 0;
  friend auto operator<=>(const Capability&, const Capability&) = default;
};

enum class PlatformKind : std::uint8_t { kCuda, kRocm, kCpu };

struct Platform {
  PlatformKind kind = PlatformKind::kCuda;
  Capability capability{9, 0};  // of CUDA only
  friend bool operator==(const Platform&, const Platform&) = default;
};

// "cuda:8.0", "rocm", "cpu". The number is "major.minor", 7.0 to 12.9. Bad input: what is wrong.
Result<Platform> ParsePlatform(std::string_view text);
std::string NameOf(const Platform& platform);
// vLLM's device_name: "cuda", "rocm", "cpu".
std::string_view DeviceName(const Platform& platform);

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_PLATFORM_H_
