// SPDX-License-Identifier: Apache-2.0
//
// The shelf of planted errors: each is a selector of libattest_planted.so and makes an otherwise
// correct backend wrong in one way. Tests hold the suite against it.
#ifndef ATTEST_CONFORMANCE_TESTING_PLANTED_ERRORS_H_
#define ATTEST_CONFORMANCE_TESTING_PLANTED_ERRORS_H_

#include <cstdint>
#include <string_view>
#include <vector>

namespace attest {

enum class Planted : std::uint8_t {
  kFaithful,
  kCausalPlusOne,
  kCausalMinusOne,
  kCausalTopLeft,
  kNoncausalIgnored,
  kEncoderCausal,
  kCrossCausal,
  kWindowPlusOne,
  kWindowMinusOne,
  kWindowLeftOnly,
  kOneKeyPastSeqLen,
  kLastKeyMissing,
  kFirstKeyMissing,
  kRequestLeak,
  kMaxSeqLenMatters,
  kWrongKvHead,
  kBlockTableEntryWrong,
  kValuePageWrong,
  kKeyPageWrong,
  kIgnoresStrides,
  kNanLeaks,
  kFiniteMask,
  kEmptyRowUniform,
  kEmptyRowNan,
  kScaleAssumed,
  kScaleDropped,
  kScaleThreePercent,
  kNoRunningMax,
  kLseBaseTwo,
  kSinkDropped,
  kSinkScaled,
  kSinkNotInLse,
  kScoresBf16,
  kOutputTf32,
  kFp16AsBf16,
  kPaddingRowsWritten,
  kHalfRowsUnwritten,
};

struct PlantedError {
  Planted error;
  std::string_view id;        // the selector
  std::string_view sentence;  // what such a backend does
  std::string_view clause;    // a clause that it breaks; empty for "faithful"
};

// "faithful" first, then every error once.
const std::vector<PlantedError>& PlantedErrors();

// The entry of a selector; "" is "faithful". nullptr: no such selector.
const PlantedError* FindPlanted(std::string_view id);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_TESTING_PLANTED_ERRORS_H_
