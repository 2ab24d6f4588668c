// SPDX-License-Identifier: Apache-2.0
#include "conformance/testing/planted/errors.h"

namespace attest {

const std::vector<PlantedError>& PlantedErrors() {
  static const std::vector<PlantedError> kErrors = {
      {Planted::kFaithful, "faithful", "computes what the spec says", ""},

      {Planted::kCausalPlusOne, "causal-plus-one", "a causal row sees the key after its own",
       "MASK-01"},
      {Planted::kCausalMinusOne, "causal-minus-one", "a causal row does not see its own key",
       "MASK-02"},
      {Planted::kCausalTopLeft, "causal-top-left", "row i of a causal decoder stands at position i",
       "MASK-01"},
      {Planted::kNoncausalIgnored, "noncausal-ignored", "a non-causal decoder is causal",
       "MASK-03"},
      {Planted::kEncoderCausal, "encoder-causal", "encoder-only rows are causal", "MASK-06"},
      {Planted::kCrossCausal, "cross-causal",
       "cross attention applies k <= p to the encoder's keys", "MASK-08"},
      {Planted::kWindowPlusOne, "window-plus-one", "each bounded side of a window has one key more",
       "MASK-10"},
      {Planted::kWindowMinusOne, "window-minus-one",
       "each bounded side of a window has one key less", "MASK-10"},
      {Planted::kWindowLeftOnly, "window-left-only", "the right bound of a window is ignored",
       "MASK-13"},
      {Planted::kOneKeyPastSeqLen, "one-key-past-seq-len",
       "every row also sees slot seq_len, if it exists in memory", "MASK-04"},
      {Planted::kLastKeyMissing, "last-key-missing", "no row sees key seq_len - 1", "MASK-02"},
      {Planted::kFirstKeyMissing, "first-key-missing", "no row sees key 0", "MASK-01"},
      {Planted::kRequestLeak, "request-leak", "encoder-only rows see all packed tokens of the step",
       "MASK-09"},
      {Planted::kMaxSeqLenMatters, "max-seq-len-matters",
       "every paged request is taken to be max_seq_len keys long, as far as memory reaches",
       "KV-06"},

      {Planted::kWrongKvHead, "wrong-kv-head", "query head h reads KV head h mod num_kv_heads",
       "HEAD-01"},
      {Planted::kBlockTableEntryWrong, "block-table-entry-wrong",
       "logical page 1 is looked up with the table entry of page 0", "KV-01"},
      {Planted::kValuePageWrong, "k-page-right-v-page-wrong",
       "the values of logical page 1 are those of page 0", "KV-01"},
      {Planted::kKeyPageWrong, "v-page-right-k-page-wrong",
       "the keys of logical page 1 are those of page 0", "KV-01"},
      {Planted::kIgnoresStrides, "ignores-strides", "both caches are taken to be contiguous NHD",
       "KV-14"},
      {Planted::kNanLeaks, "nan-leaks",
       "values of unused slots of the last page are multiplied with weight 0", "KV-11"},

      {Planted::kFiniteMask, "finite-mask", "masked keys get score -1e4 and stay in the softmax",
       "MASK-19"},
      {Planted::kEmptyRowUniform, "empty-row-uniform",
       "a row that sees nothing is the mean of all values", "SOFT-03"},
      {Planted::kEmptyRowNan, "empty-row-nan", "a row that sees nothing is NaN", "SOFT-03"},
      {Planted::kScaleAssumed, "scale-assumed", "the scale is head_dim_qk^-0.5", "SCORE-01"},
      {Planted::kScaleDropped, "scale-dropped", "the scale is 1", "SCORE-02"},
      {Planted::kScaleThreePercent, "scale-3-percent", "the scale is 3 percent too large",
       "SCORE-01"},
      {Planted::kNoRunningMax, "no-running-max", "weights are float32 e^s without the maximum",
       "SOFT-08"},
      {Planted::kLseBaseTwo, "lse-base-2", "the LSE is a logarithm to the base 2", "SOFT-02"},
      {Planted::kSinkDropped, "sink-dropped", "sinks are accepted and ignored", "SOFT-05"},
      {Planted::kSinkScaled, "sink-scaled", "the sink is multiplied by the scale", "SOFT-06"},
      {Planted::kSinkNotInLse, "sink-not-in-lse", "the LSE leaves the sink out", "SOFT-07"},

      {Planted::kScoresBf16, "scores-bf16", "scores are rounded to bfloat16", "NUM-01"},
      {Planted::kOutputTf32, "output-tf32", "a float32 output is cut to 10 bits of mantissa",
       "NUM-01"},
      {Planted::kFp16AsBf16, "fp16-as-bf16", "float16 keys and values are read as bfloat16",
       "NUM-04"},
      {Planted::kPaddingRowsWritten, "padding-rows-written",
       "output rows past num_actual_tokens are set to 0", "KV-13"},
      {Planted::kHalfRowsUnwritten, "half-rows-unwritten",
       "the second half of the rows of a request is not written", "ABI-08"},
  };
  return kErrors;
}

const PlantedError* FindPlanted(std::string_view id) {
  if (id.empty()) return &PlantedErrors().front();
  for (const PlantedError& planted : PlantedErrors()) {
    if (planted.id == id) return &planted;
  }
  return nullptr;
}

}  // namespace attest
