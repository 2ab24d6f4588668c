// SPDX-License-Identifier: Apache-2.0
//
// A flash kernel on the tensors of a call, and the mistakes that it can make: tiles of 64 keys,
// four splits, weights rounded to the query's type. Fast enough for contexts of 131,072 keys, which
// is what tells it from testing/flash.h.
#ifndef ATTEST_CONFORMANCE_STUDY_POWER_KERNEL_H_
#define ATTEST_CONFORMANCE_STUDY_POWER_KERNEL_H_

#include <Eigen/Core>
#include <cstdint>
#include <string_view>
#include <vector>

#include "conformance/run/inputs.h"
#include "reference/oracle.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// What a problem must have for a mistake to be one.
enum class Feature : std::uint8_t { kPlain, kWindow, kSoftcap50, kSoftcap20, kSink };

struct Mistake {
  std::string_view name;  // "none": a correct kernel
  Feature feature = Feature::kPlain;
  int more_left = 0;      // keys before the first that is visible; negative: fewer
  int more_right = 0;     // keys after the last
  bool top_left = false;  // causality as if the first row stood at position 0
  bool heads_interleaved = false;
  bool softcap_skipped = false;
  bool sink_missing = false;
  double score_factor = 1.0;
  double output_factor = 1.0;
  int wrong_keys = 0;  // so many keys in the middle hold the keys and values that stand 48 before
  bool base_two_merge = false;     // splits are weighed by e to their LSE in base 2
  bool key_counted_twice = false;  // the last of the second split, in the third as well
  bool rescale_forgotten = false;  // the output misses the first change of the maximum
  bool zeros = false;              // outputs; the LSE is right
};
// "none" of each feature is not in the list.
const std::vector<Mistake>& Mistakes();

struct KernelAnswer {
  RowMajorMatrix out;   // [tokens * num_q_heads, head_dim_v]
  Eigen::VectorXd lse;  // natural, whatever the mistake in the merge
};
// Decoder, causal, one request, no mask but a window. Rounds as a 16-bit kernel does.
KernelAnswer RunKernel(const Problem& problem, const AttentionTensors& tensors,
                       const Mistake& mistake);
// The same mistake in double precision.
KernelAnswer RunExactly(const Problem& problem, const AttentionTensors& tensors,
                        const Mistake& mistake);
// Scores, normalised weights and outputs stored in the query's type, as a framework's eager
// attention does.
KernelAnswer RunEager(const Problem& problem, const AttentionTensors& tensors);

// Writes an answer into "out" and "lse" of the image, rounded to their types.
void StoreAnswer(const Problem& problem, const KernelAnswer& answer, CallImage* image);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_STUDY_POWER_KERNEL_H_
