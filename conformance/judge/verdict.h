// SPDX-License-Identifier: Apache-2.0
//
// Verdicts of a case, of a profile and of a run, and the exit codes of every command.
#ifndef ATTEST_CONFORMANCE_JUDGE_VERDICT_H_
#define ATTEST_CONFORMANCE_JUDGE_VERDICT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace attest {

enum class Verdict : std::uint8_t {
  kPass,
  kFail,        // ran, and the answer is wrong
  kRefused,     // said no although the case lies inside the claims
  kCrash,       // the child died, or was killed for its memory
  kTimeout,     // the child missed the deadline and was killed
  kDeviceLost,  // the device stopped answering
  kError,       // broke the protocol, threw, or reported a fault of its own
  kMistrusted,  // the case could not show what it claims to show: a fault of ours
  kMissing,     // expected, but there is no record
  kWaived,      // failed as an --accept entry says
};
inline constexpr std::array kAllVerdicts = {
    Verdict::kPass,    Verdict::kFail,       Verdict::kRefused, Verdict::kCrash,
    Verdict::kTimeout, Verdict::kDeviceLost, Verdict::kError,   Verdict::kMistrusted,
    Verdict::kMissing, Verdict::kWaived};

std::string_view Name(Verdict verdict);  // "pass" ... "device-lost" ... "waived"
std::optional<Verdict> ParseVerdict(std::string_view name);

enum class ExitCode : int {
  kDone = 0,           // conformant, or the command did what it says
  kNotConformant = 1,  // not conformant, a regression, a configuration rejected with reasons
  kBadUsage = 2,       // bad flag or unreadable input
  kEnvironment = 3,    // no such device, toolchain, interpreter
  kVoid = 4,           // mistrusted case, fault of ours: the run says nothing
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_VERDICT_H_
