// SPDX-License-Identifier: Apache-2.0
//
// Problem: everything that is asked of one attention call except the numbers in its tensors. One
// value serves cases, replay files, the oracle, the judge and the wire; its JSON form is
// spec/cases/problem.schema.json.
#ifndef ATTEST_SPEC_VOCABULARY_PROBLEM_H_
#define ATTEST_SPEC_VOCABULARY_PROBLEM_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spec/abi/attest.h"
#include "spec/vocabulary/dtype.h"
#include "spec/vocabulary/status.h"

namespace attest {

enum class AttentionType : std::uint8_t { kDecoder, kEncoderOnly, kEncoderDecoder };
enum class Causality : std::uint8_t { kCausal, kNonCausal, kPerRequest };
enum class KvScaleKind : std::uint8_t { kNone, kPerTensor, kPerHead, kPerTokenHead };
enum class MaskKind : std::uint8_t { kNone, kBoolean, kAdditive };

// How the suite lays the cache out in memory. Through the ABI all but kXSplit are strides.
enum class CacheLayout : std::uint8_t {
  kNhd,           // [num_blocks, block_size, num_kv_heads, head_dim], K and V apart
  kHnd,           // [num_blocks, num_kv_heads, block_size, head_dim], K and V apart
  kPackedKv,      // one buffer [num_blocks, block_size, num_kv_heads, K|V]
  kKvFirst,       // one buffer [2, num_blocks, block_size, num_kv_heads, head_dim]
  kPaddedPages,   // NHD with a gap after each page
  kXSplit,        // ATTEST_KV_X_SPLIT
  kSharedLatent,  // MLA: V is the first head_dim_v columns of K
};

// How query, key, value and out lie in memory.
enum class TokenLayout : std::uint8_t {
  kDense,       // [T, heads, head_dim], row-major
  kQkvFused,    // query, key, value are slices of one [T, (Hq + 2 Hkv) * ...] row; out is dense
  kPaddedRows,  // a gap after each token's heads, of another width in each tensor
};

struct Request {
  std::int64_t q_len = 1;    // new tokens
  std::int64_t seq_len = 1;  // keys in all; encoder-only: equals q_len; cross: encoder length
  bool operator==(const Request&) const = default;
};

// Positions first..last, both inclusive, of `request` see one another.
struct PrefixRange {
  std::int64_t request = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool operator==(const PrefixRange&) const = default;
};

// Axes of the custom mask whose stride is 0: one plane serves all requests, heads, rows or keys.
struct MaskBroadcast {
  bool request = false;
  bool head = false;
  bool row = false;
  bool key = false;
  bool operator==(const MaskBroadcast&) const = default;
};

struct Problem {
  AttentionType attention_type = AttentionType::kDecoder;
  Causality causality = Causality::kCausal;
  std::vector<bool> request_causal;  // one a request, with Causality::kPerRequest

  DType query_dtype = DType::kBFloat16;
  DType cache_dtype = DType::kBFloat16;
  DType output_dtype = DType::kBFloat16;
  KvScaleKind kv_scale_kind = KvScaleKind::kNone;

  int num_q_heads = 1;
  int num_kv_heads = 1;
  int head_dim_qk = 64;
  int head_dim_v = 64;

  float scale = 0.125F;  // never assumed to be head_dim_qk^-0.5
  float softcap = 0.0F;

  std::int64_t window_left = 0;   // keys visible to the left, self included; 0: no bound
  std::int64_t window_right = 0;  // keys visible to the right, self included; 0: no bound
  std::int64_t local_block_size = 0;
  std::int64_t local_block_lookback = 0;

  bool lse = true;
  bool sinks = false;
  bool alibi = false;
  bool prefix_clamped = false;
  bool tree_mask = false;
  bool batch_invariant = false;
  bool page_aliasing = false;
  MaskKind custom_mask = MaskKind::kNone;
  MaskBroadcast custom_mask_broadcast;
  DType additive_mask_dtype = DType::kFloat32;  // float32 or the query's
  std::vector<PrefixRange> prefix_ranges;

  CacheLayout cache_layout = CacheLayout::kNhd;
  TokenLayout token_layout = TokenLayout::kDense;
  int block_size = 16;  // tokens in a page; 0 for encoder-only

  // Things that must not change a result.
  std::int64_t padding_tokens = 0;  // rows of query and out past the last request
  std::int64_t block_table_extra =
      0;  // columns past ceil(max seq_len / block_size), filled with garbage
  std::int64_t max_seq_len_slack = 0;  // by how much max_seq_len over-estimates
  std::int64_t max_query_len_slack = 0;

  std::int64_t shared_prefix =
      0;  // tokens whose pages all requests share; a multiple of block_size
  // Pages of one page of the memory manager (hybrid block splitting): they follow one another in
  // memory, and all pages of manager page 0 are dead. 1: the manager's pages are the kernel's.
  int hybrid_split = 1;
  std::vector<Request> requests;

  int group() const { return num_q_heads / num_kv_heads; }
  bool uses_paged_kv() const { return attention_type != AttentionType::kEncoderOnly; }
  bool operator==(const Problem&) const = default;
};

// Sums over requests.
std::int64_t NumTokens(const Problem& problem);  // sum of q_len
std::int64_t MaxQueryLen(const Problem& problem);
std::int64_t MaxSeqLen(const Problem& problem);

// Multiply-adds of the whole call: num_q_heads * (head_dim_qk + head_dim_v) * sum q_len * seq_len.
// Tiers are cut by this number.
double MultiplyAdds(const Problem& problem);

// The first contradiction inside `problem`, naming the field and its value; OK if there is none.
Status Validate(const Problem& problem);

// ---- The ABI form

// Everything but `num_blocks` and `block_table_width`, which follow from where the suite puts the
// pages.
attest_problem_t ToAbi(const Problem& problem);

// The ATTEST_CLAIM_ bits that a backend must claim to be asked this problem.
std::uint64_t RequiredFeatures(const Problem& problem);

// ---- Words

std::string_view Name(AttentionType value);  // "decoder" "encoder_only" "encoder_decoder"
std::string_view Name(Causality value);      // "causal" "non_causal" "per_request"
std::string_view Name(KvScaleKind value);    // "none" "per_tensor" "per_head" "per_token_head"
std::string_view Name(MaskKind value);       // "none" "boolean" "additive"
std::string_view Name(CacheLayout value);    // "nhd" "hnd" "packed_kv" "kv_first" "padded_pages"
                                             // "x_split" "shared_latent"
std::string_view Name(TokenLayout value);    // "dense" "qkv_fused" "padded_rows"

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_PROBLEM_H_
