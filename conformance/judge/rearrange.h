// SPDX-License-Identifier: Apache-2.0
//
// The same request in another call. What the invariance kinds compare are rows whose queries, keys,
// values and masks are the same bits while something else changed; these functions carry the bits
// over.
#ifndef ATTEST_CONFORMANCE_JUDGE_REARRANGE_H_
#define ATTEST_CONFORMANCE_JUDGE_REARRANGE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "conformance/run/inputs.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// First token of each request.
std::vector<std::int64_t> FirstTokens(const Problem& problem);

// The problem of requests picks[0], picks[1], ... of `problem`, each with pages of its own.
Problem PickRequests(const Problem& problem, const std::vector<std::size_t>& picks);

// A request of an image that was built for a problem.
struct RequestOf {
  const Problem& problem;
  std::size_t request = 0;
};

// Writes all that request `from` is computed from over request `to` of `target`: queries, keys and
// values, of the step and of the cache, scales and masks. Both have the same lengths. The numbers
// and the order of pages stay the target's.
void CopyRequest(const CallImage& source, const RequestOf& from, CallImage& target,
                 const RequestOf& to);

// Only queries, keys and values, and the scales that belong to a token; keys that `to` shares with
// other requests stay.
void CopyContents(const CallImage& source, const RequestOf& from, CallImage& target,
                  const RequestOf& to);

// Tensors that belong to no request: sinks and slopes.
void CopyGlobals(const CallImage& source, CallImage& target);

// Rows [first, last) of one request, as a call of their own.
struct Chunk {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

// The call that computes chunks[r] of each request r of `problem`, on the pages of `inputs`; the
// keys behind a chunk are still in the cache, past seq_len. Decoders without masks of their own
// tensor. `chunked` gets the problem's lengths.
CaseInputs TakeChunks(const CaseInputs& inputs, const Problem& problem,
                      const std::vector<Chunk>& chunks, Problem& chunked);

// Element [index...] of `tensor` in `image`, to write.
std::byte* Writable(CallImage& image, const PlacedTensor& tensor,
                    const std::vector<std::int64_t>& index);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_REARRANGE_H_
