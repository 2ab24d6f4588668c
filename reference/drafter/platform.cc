// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/platform.h"

#include <fmt/format.h>

#include <charconv>

namespace attest::drafter {
namespace {

// A whole text of one or two digits, or -1.
int Digits(std::string_view text) {
  int value = -1;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || text.size() > 2 || parsed.ec != std::errc() || parsed.ptr != end) return -1;
  return value;
}

}  // namespace

Result<Platform> ParsePlatform(std::string_view text) {
  if (text == "rocm") return Platform{PlatformKind::kRocm, {}};
  if (text == "cpu") return Platform{PlatformKind::kCpu, {}};
  const std::size_t dot = text.find('.');
  if (text.starts_with("cuda:") && dot != std::string_view::npos) {
    const int major = Digits(text.substr(5, dot - 5));
    const int minor = Digits(text.substr(dot + 1));
    if (major >= 7 && major <= 12 && minor >= 0 && minor <= 9) {
      return Platform{PlatformKind::kCuda, {major, minor}};
    }
  }
  return BadInput(
      fmt::format("\"{}\" is no platform: cuda:MAJOR.MINOR (7.0 to 12.9), rocm or cpu", text));
}

std::string NameOf(const Platform& platform) {
  if (platform.kind != PlatformKind::kCuda) return std::string(DeviceName(platform));
  return fmt::format("cuda:{}.{}", platform.capability.major, platform.capability.minor);
}

std::string_view DeviceName(const Platform& platform) {
  if (platform.kind == PlatformKind::kRocm) return "rocm";
  return platform.kind == PlatformKind::kCpu ? "cpu" : "cuda";
}

}  // namespace attest::drafter
