// SPDX-License-Identifier: Apache-2.0
//
// Rows of a prefill, computed in a call of their own.
#ifndef ATTEST_PROPERTY_TESTS_LAWS_CHUNKS_H_
#define ATTEST_PROPERTY_TESTS_LAWS_CHUNKS_H_

#include <string_view>
#include <vector>

#include "conformance/judge/rearrange.h"
#include "property_tests/laws/agree.h"

namespace attest {

// Ends the trial as broken unless the call of chunks[r] of each request r gives the rows of
// `whole`: bit for bit where the backend claims chunk invariance. Chunks without a row are passed
// over.
void ExpectChunksOfWhole(Subject& subject, const CaseInputs& inputs, const JudgedCall& whole,
                         const std::vector<Chunk>& chunks, std::string_view how);

// Causal decoders in which an earlier row sees nothing of a later chunk.
bool CanBeCut(const Sample& sample);
void FitToBeCut(const Claims& claims, Dice& dice, Sample& sample);

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_LAWS_CHUNKS_H_
