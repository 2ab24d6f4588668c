// SPDX-License-Identifier: Apache-2.0
//
// The two axes of "which rules": the era of vLLM and the runner. A resolution always says both.
// What changed in each era, with its pull request: spec/drafter/eras.json.
#ifndef ATTEST_REFERENCE_DRAFTER_ERA_H_
#define ATTEST_REFERENCE_DRAFTER_ERA_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace attest::drafter {

// In order of time, so that `era >= Era::kE1` reads "since #39930".
enum class Era : std::uint8_t { kE0, kE0b, kE0c, kE1, kE1b, kE2, kE3, kE4, kE5 };
inline constexpr std::array<Era, 9> kAllEras = {Era::kE0, Era::kE0b, Era::kE0c, Era::kE1, Era::kE1b,
                                                Era::kE2, Era::kE3,  Era::kE4,  Era::kE5};

// R1: GPUModelRunner with DFlashProposer. R2: v1/worker/gpu with DFlashSpeculator
// (VLLM_USE_V2_MODEL_RUNNER=1).
enum class Runner : std::uint8_t { kR1, kR2 };
inline constexpr std::array<Runner, 2> kAllRunners = {Runner::kR1, Runner::kR2};

// "E0b", "R1"; parsing is exact, nullopt for anything else.
std::string_view NameOf(Era era);
std::string_view NameOf(Runner runner);
std::optional<Era> ParseEra(std::string_view name);
std::optional<Runner> ParseRunner(std::string_view name);

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_ERA_H_
