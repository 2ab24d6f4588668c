// SPDX-License-Identifier: Apache-2.0
//
// Heads, their sizes and slopes, and kernels that were chosen for a problem that they cannot do.
#include <algorithm>
#include <bit>
#include <cmath>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

constexpr std::int64_t kBlock = 1024;  // keys that a kernel of one pass holds

// Heads are dealt to eight dies by a formula that needs their number and gets one less.
bool HeadIsDealt(const Call& call, const Row& row) {
  constexpr std::int64_t kDies = 8;
  const std::int64_t heads = call.problem.num_q_heads;
  if (heads <= kDies || heads % kDies != 0) return true;
  for (std::int64_t h = 0; h < heads; ++h) {
    if (h % kDies * ((heads - 1) / kDies) + h / kDies == row.head) return true;
  }
  return false;
}

bool IsPowerOfTwo(std::int64_t value) {
  return std::has_single_bit(static_cast<std::uint64_t>(value));
}

void CutPagedValueToKeyWidth(const Call& call, const Row& /*row*/,
                             const std::vector<Scored>& /*scores*/, Answer& answer) {
  if (!call.paged()) return;
  for (auto d = static_cast<std::size_t>(call.problem.head_dim_qk); d < answer.out.size(); ++d) {
    answer.out[d] = 0;
  }
}

// Positions in the shared prefix are taken as if it were the whole request.
void MeasureInPrefix(const Call& call, const Row& row, std::int64_t key, ScoreParts& parts) {
  if (!call.Has(ATTEST_FLAG_ALIBI) || call.problem.num_requests < 4) return;
  const std::int64_t prefix = SharedPrefix(call);
  if (key >= prefix) return;
  parts.distance = static_cast<double>(std::abs(prefix - row.q_len + row.index - key));
}

// What the output held is added with weight 0.
void AddOldOutput(const Call& call, const Row& row, const std::vector<Scored>& /*scores*/,
                  Answer& answer) {
  const attest_tensor_t& out = call.args.out;
  const bool biased =
      call.Has(ATTEST_FLAG_ALIBI) || call.problem.custom_mask_kind == ATTEST_MASK_ADDITIVE;
  if (biased) return;
  const Format format = FormatOfAbi(out.dtype);
  for (std::size_t d = 0; d < answer.out.size(); ++d) {
    const std::byte* const at =
        AddressOf(out, {row.start + row.index, row.head, static_cast<std::int64_t>(d)});
    answer.out[d] += 0.0 * Decode(format, at);
  }
}

std::vector<Mutant> HeadSizes() {
  return {
      {.id = "head-remap-off-by-one",
       .bug_class = "head-mapping-dims",
       .clause = "HEAD-01",
       .sentence =
           "dealing a multiple of eight heads to eight dies counts one head too few, and the "
           "heads that nobody is dealt are not written",
       .reference = "ROCm/aiter#612",
       .bug = "aiter-xcd-remap-off-by-one",
       .hooks = {.writes = HeadIsDealt}},
      {.id = "alibi-head-size-power-of-two",
       .bug_class = "head-mapping-dims",
       .clause = "HEAD-05",
       .sentence = "with slopes, columns past the largest power of two do not enter the score",
       .reference = "vllm-project/vllm#4573",
       .bug = "vllm-alibi-prefill-head-not-pow2",
       .hooks = {.score_columns = [](const Call& call) -> std::int64_t {
         const std::int64_t columns = call.problem.head_dim_qk;
         if (!call.Has(ATTEST_FLAG_ALIBI) || IsPowerOfTwo(columns)) return columns;
         return static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(columns)));
       }}},
      {.id = "paged-value-cut-to-key-width",
       .bug_class = "head-mapping-dims",
       .clause = "HEAD-04",
       .sentence = "columns of a paged value past the width of a key are 0",
       .reference = "Dao-AILab/flash-attention@e3b2400a",
       .bug = "fa-v-uses-k-headdim",
       .hooks = {.finish = CutPagedValueToKeyWidth}},
      {.id = "alibi-drops-head-map",
       .bug_class = "api-plumbing",
       .clause = "HEAD-01",
       .sentence = "with slopes, query head h reads KV head h, or the last one",
       .reference = "vllm-project/vllm#496",
       .bug = "vllm-alibi-missing-head-mapping",
       .hooks = {.row =
                     [](const Call& call, Row& row) {
                       if (!call.Has(ATTEST_FLAG_ALIBI)) return;
                       row.kv_head =
                           std::min<std::int64_t>(row.head, call.problem.num_kv_heads - 1);
                     }}},
      {.id = "head-size-taken-as-128",
       .bug_class = "selector-capability",
       .clause = "HEAD-05",
       .sentence = "wider heads go to a kernel that reads 128 columns",
       .reference = "ROCm/aiter#2273",
       .bug = "aiter-asm-pa-headsize-unchecked",
       .hooks = {.score_columns = [](const Call& call) -> std::int64_t {
         return std::min(call.problem.head_dim_qk, 128);
       }}},
      {.id = "keys-past-block-dropped",
       .bug_class = "selector-capability",
       .clause = "SOFT-01",
       .sentence = "rows of any length go to a kernel of one pass, which sees the first 1024 keys",
       .reference = "ggml-org/llama.cpp#17838",
       .bug = "ggml-softmax-fallthrough-ncols",
       .hooks = {.terms = [](const Call&, const Row&,
                             Terms& terms) { terms.last = std::min(terms.last, kBlock); }}},
  };
}

std::vector<Mutant> Biases() {
  return {
      {.id = "alibi-by-row-number",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-06",
       .sentence =
           "the bias is the slope times the number of the row, the same for all keys, which "
           "only the LSE and a sink can see",
       .reference = "ggml-org/ggml@085f6af4",
       .bug = "ggml-alibi-row-index",
       .hooks = {.parts =
                     [](const Call&, const Row& row, std::int64_t, ScoreParts& parts) {
                       parts.distance = static_cast<double>(row.index + 1);
                     }}},
      {.id = "cascade-alibi-shifted",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-06",
       .sentence =
           "from four requests on, distances to the keys of a shared prefix are taken as if "
           "the prefix were the whole request (from eight on in the original)",
       .reference = "vllm-project/vllm#15211",
       .bug = "vllm-cascade-with-alibi",
       .hooks = {.parts = MeasureInPrefix}},
      {.id = "absent-bias-reads-output",
       .bug_class = "alibi-bias-sink",
       .clause = "NUM-03",
       .sentence = "without a bias, what lies in the output is added with weight 0",
       .reference = "ggml-org/llama.cpp#5574",
       .bug = "ggml-softmax-null-pos-reads-dst",
       .hooks = {.finish = AddOldOutput}},
      {.id = "softcap-lost-in-tree",
       .bug_class = "api-plumbing",
       .clause = "SCORE-03",
       .sentence = "with a tree mask the cap arrives at another parameter and is not applied",
       .reference = "vllm-project/vllm#22226",
       .bug = "vllm-tree-attn-positional-shift",
       .hooks = {.parts =
                     [](const Call& call, const Row&, std::int64_t, ScoreParts& parts) {
                       if (call.Has(ATTEST_FLAG_TREE_MASK)) parts.softcap = 0;
                     }}},
      {.id = "output-rebound",
       .bug_class = "api-plumbing",
       .clause = "ABI-09",
       .sentence =
           "where no LSE is asked for, the result is bound to another buffer and the output "
           "keeps what it held",
       .reference = "vllm-project/vllm-ascend#6469",
       .bug = "ascend-output-rebound",
       .hooks = {.writes = [](const Call& call, const Row&) { return call.Has(ATTEST_FLAG_LSE); }}},
  };
}

}  // namespace

std::vector<Mutant> SizeMutants() { return Joined({HeadSizes, Biases}); }

}  // namespace attest
