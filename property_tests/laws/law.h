// SPDX-License-Identifier: Apache-2.0
//
// Law: one sentence that holds for every right attention, and how to try it on a backend.
#ifndef ATTEST_PROPERTY_TESTS_LAWS_LAW_H_
#define ATTEST_PROPERTY_TESTS_LAWS_LAW_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "property_tests/generators/samples.h"

namespace attest {

class Subject;

enum class OutcomeKind : std::uint8_t {
  kHolds,
  kDoesNotApply,  // the sample says nothing about the law, or a part of it lies outside the claims
  kFails,
  kVoid,         // a fault of ours: the law compares what is not equal, or the oracle declines
  kEnvironment,  // no child could be started
};

struct LawOutcome {
  OutcomeKind kind = OutcomeKind::kHolds;
  std::string reason;  // one line; empty where the law holds
};

struct Law {
  std::string_view name;      // "masked-keys"
  std::string_view sentence;  // what holds
  std::uint64_t needs = 0;    // ATTEST_CLAIM_ bits without which there is nothing to try
  // As in Aim. `fit` may be null.
  void (*fit)(const Claims& claims, Dice& dice, Sample& sample) = nullptr;
  bool (*applies)(const Sample& sample) = nullptr;
  // Comes back where the law holds; what ends it otherwise is thrown (subject.h) and never leaves
  // TryLaw.
  void (*check)(Subject& subject, const Sample& sample) = nullptr;
  // Samples are drawn from the whole vocabulary and not from the claims.
  bool beyond_claims = false;
};

// In the order of reports: the oracle first, then what needs no more than the backend itself.
const std::vector<Law>& Laws();
// nullptr: no such law.
const Law* FindLaw(std::string_view name);

// What is drawn for a law of a backend with these claims.
Aim AimOf(const Law& law, const Claims& claims);

LawOutcome TryLaw(const Law& law, Subject& subject, const Sample& sample);

// One file each.
Law AgreesWithOracleLaw();
Law HullOfValuesLaw();
Law ValueLinearityLaw();
Law MaskedKeysLaw();
Law UnusedMemoryLaw();
Law KeyOrderLaw();
Law ScoreShiftLaw();
Law SplitAndMergeLaw();
Law GroupedHeadsLaw();
Law PhysicalPagesLaw();
Law IndependentRequestsLaw();
Law RoomierCallLaw();
Law CausalLastRowLaw();
Law ChunkedPrefillLaw();
Law DecodeRowLaw();
Law PackedDocumentsLaw();
Law SymmetricWindowLaw();
Law WrittenSlotsLaw();
Law NoMemoryLaw();
Law HonestSupportsLaw();

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_LAWS_LAW_H_
