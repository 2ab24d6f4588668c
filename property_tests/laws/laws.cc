// SPDX-License-Identifier: Apache-2.0
#include <exception>
#include <utility>

#include "property_tests/laws/law.h"
#include "property_tests/laws/subject.h"

namespace attest {

const std::vector<Law>& Laws() {
  static const std::vector<Law> kLaws = {
      AgreesWithOracleLaw(), HullOfValuesLaw(),        ValueLinearityLaw(),
      MaskedKeysLaw(),       UnusedMemoryLaw(),        KeyOrderLaw(),
      ScoreShiftLaw(),       SplitAndMergeLaw(),       GroupedHeadsLaw(),
      PhysicalPagesLaw(),    IndependentRequestsLaw(), RoomierCallLaw(),
      CausalLastRowLaw(),    ChunkedPrefillLaw(),      DecodeRowLaw(),
      PackedDocumentsLaw(),  SymmetricWindowLaw(),     WrittenSlotsLaw(),
      NoMemoryLaw(),         HonestSupportsLaw()};
  return kLaws;
}

const Law* FindLaw(std::string_view name) {
  for (const Law& law : Laws()) {
    if (law.name == name) return &law;
  }
  return nullptr;
}

Aim AimOf(const Law& law, const Claims& claims) {
  Aim aim{.claims = law.beyond_claims ? EverythingClaims() : claims};
  if (law.fit != nullptr) {
    // What is fitted is fitted to the backend's claims, also where it is drawn beyond them.
    aim.fit = [fit = law.fit, claims](const Claims&, Dice& dice, Sample& sample) {
      fit(claims, dice, sample);
    };
  }
  aim.applies = [applies = law.applies](const Sample& sample) {
    return NumTokens(sample.problem) > 0 && (applies == nullptr || applies(sample));
  };
  return aim;
}

LawOutcome TryLaw(const Law& law, Subject& subject, const Sample& sample) {
  try {
    law.check(subject, sample);
    return {};
  } catch (const Ended& ended) {
    return ended.outcome();
  }
}

}  // namespace attest
