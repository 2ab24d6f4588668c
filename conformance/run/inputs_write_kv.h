// SPDX-License-Identifier: Apache-2.0
//
// Inputs of a write_kv case. The right answer is a matter of bytes, so every number is one whose
// quantised form no admissible arithmetic can miss.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_WRITE_KV_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_WRITE_KV_H_

#include <cstdint>

#include "conformance/run/inputs.h"
#include "spec/cases/case.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Tensors by the names of attest_write_kv_args_t. The caches hold bytes that no row has, gaps
// included; the slots are those of the step's tokens in pages as BuildInputs lays them, about a
// fifth replaced by -1, -7 and the smallest int64; no slot stands twice. slot_mapping has one entry
// a token that counts: with padding_tokens it is shorter than `key`, whose further rows hold the
// case's poison.
//
//   16 and 32 bit     normal numbers; where the cache is narrower, every eighth lies halfway
//                     between two of its numbers
//   8-bit floats      numbers of the format times a scale that is a power of two; every eighth
//                     halfway between two, one of 32 at twice the largest (per_tensor, per_head and
//                     no scales)
//   per_token_head    the largest magnitude of a row is 127 (the largest finite number) times a
//                     power of two, which is then the scale; the others are numbers of the format
//                     times it, every eighth halfway; one row of sixteen is zero. key_scale and
//                     value_scale are outputs and hold the never-written pattern.
//
// Bad input: as BuildInputs; a problem that is no decoder.
Result<CaseInputs> BuildWriteKvInputs(const Case& value, std::uint64_t seed);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_WRITE_KV_H_
