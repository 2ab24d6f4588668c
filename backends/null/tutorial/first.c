/* SPDX-License-Identifier: Apache-2.0
 *
 * first: null.c after the steps of backends/README.md. It computes causal attention over a paged
 * float32 cache with plain loops, and refuses everything else.
 *
 *     cc -O2 -shared -fPIC -I<attest> -o libmy.so first.c -lm
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "spec/abi/attest.h"

/* ---- Helpers ---- */

/* Writes the text of a failure and returns its code, so that a check is one line. */
static attest_status_t fail(attest_error_t* error, attest_status_t status, const char* text) {
  if (error != NULL) snprintf(error->message, sizeof error->message, "%s", text);
  return status;
}

/* Accepts "" and "threads=N"; the one thread of this backend is within any N. */
static int options_are_known(const char* options) {
  if (options == NULL || *options == '\0') return 1;
  if (strncmp(options, "threads=", 8) != 0) return 0;
  options += 8;
  return *options >= '1' && *options <= '9' && strspn(options, "0123456789") == strlen(options);
}

/* ---- What the backend says of itself ---- */

enum { MAX_HEAD_DIM = 256 };

static const attest_dtype_t FLOAT32 = {ATTEST_FLOAT, 32, 1};
static const attest_range_t HEAD_DIMS = {1, MAX_HEAD_DIM, 1};
static const attest_range_t GROUP_SIZES = {1, 64, 1};
static const attest_range_t BLOCK_SIZES = {1, 512, 1};

static attest_status_t claims(void* self, attest_claims_t* out, attest_error_t* error) {
  const uint32_t size = out->struct_size;
  (void)self;
  if (size < sizeof *out) {
    return fail(error, ATTEST_INVALID_ARGUMENT, "claims.struct_size: smaller than attest_claims_t");
  }
  memset(out, 0, sizeof *out);
  out->struct_size = size;
  out->arithmetic.struct_size = (uint32_t)sizeof out->arithmetic;
  out->name = "first";
  out->version = "0.1";
  out->vendor = "me";
  out->device_name = "one core";
  out->features = ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_LSE | ATTEST_CLAIM_KV_STRIDES |
                  ATTEST_CLAIM_TOKEN_STRIDES | ATTEST_CLAIM_UNEQUAL_HEAD_DIMS |
                  ATTEST_CLAIM_DETERMINISTIC;
  out->query_dtypes = out->cache_dtypes = out->output_dtypes = &FLOAT32;
  out->num_query_dtypes = out->num_cache_dtypes = out->num_output_dtypes = 1;
  out->head_dims = &HEAD_DIMS;
  out->group_sizes = &GROUP_SIZES;
  out->block_sizes = &BLOCK_SIZES;
  out->num_head_dims = out->num_group_sizes = out->num_block_sizes = 1;
  return ATTEST_OK;
}

static int is_float32(attest_dtype_t dtype) {
  return dtype.code == ATTEST_FLOAT && dtype.bits == 32 && dtype.lanes == 1;
}

/* A type that attest.h lists, as far as a glance can tell. */
static int is_dtype(attest_dtype_t dtype) {
  return dtype.lanes == 1 && dtype.code <= ATTEST_FLOAT8_E5M2FNUZ &&
         (dtype.bits == 8 || dtype.bits == 16 || dtype.bits == 32);
}

static int in_range(attest_range_t range, int32_t value) {
  return value >= range.first && value <= range.last;
}

/* Everything that is not claimed is refused here, and nonsense is told from refusal. */
static attest_status_t supports(void* self, const attest_problem_t* p, attest_error_t* error) {
  enum { INVALID = ATTEST_INVALID_ARGUMENT, REFUSED = ATTEST_REFUSED };
  const int bad_heads = p->num_kv_heads < 1 || p->num_q_heads < 1;
  const struct {
    int wrong;
    attest_status_t status;
    const char* text;
  } checks[] = {
      {p->struct_size < sizeof *p, INVALID, "struct_size: smaller than attest_problem_t"},
      {p->attention_type < 0 || p->attention_type > ATTEST_ENCODER_DECODER, INVALID,
       "attention_type: unknown value"},
      {p->causality < 0 || p->causality > ATTEST_CAUSALITY_PER_REQUEST, INVALID,
       "causality: unknown value"},
      {p->kv_layout < 0 || p->kv_layout > ATTEST_KV_X_SPLIT, INVALID, "kv_layout: unknown value"},
      {p->kv_scale_kind < 0 || p->kv_scale_kind > ATTEST_KV_SCALE_PER_TOKEN_HEAD, INVALID,
       "kv_scale_kind: unknown value"},
      {p->custom_mask_kind < 0 || p->custom_mask_kind > ATTEST_MASK_ADDITIVE, INVALID,
       "custom_mask_kind: unknown value"},
      {p->flags >= 2 * (uint32_t)ATTEST_FLAG_VALUE_IS_KEY_PREFIX, INVALID, "flags: unknown bits"},
      {!is_dtype(p->query_dtype), INVALID, "query_dtype: unknown type"},
      {!is_dtype(p->cache_dtype), INVALID, "cache_dtype: unknown type"},
      {!is_dtype(p->output_dtype), INVALID, "output_dtype: unknown type"},
      {bad_heads, INVALID, "num_q_heads, num_kv_heads: not positive"},
      {!bad_heads && p->num_q_heads % p->num_kv_heads != 0, INVALID,
       "num_kv_heads: does not divide num_q_heads"},
      {p->head_dim_qk < 1, INVALID, "head_dim_qk: not positive"},
      {p->head_dim_v < 1, INVALID, "head_dim_v: not positive"},
      {!isfinite(p->scale) || p->scale == 0.0F, INVALID, "scale: not finite, or 0"},
      {!isfinite(p->softcap) || p->softcap < 0.0F, INVALID, "softcap: not finite, or negative"},
      {p->window_left < 0, INVALID, "window_left: negative"},
      {p->window_right < 0, INVALID, "window_right: negative"},
      {p->local_block_size < 0, INVALID, "local_block_size: negative"},
      {p->local_block_lookback < 0, INVALID, "local_block_lookback: negative"},
      {p->attention_type == ATTEST_ENCODER_DECODER && (p->window_left | p->window_right) != 0,
       INVALID, "window_left, window_right: cross attention has no window"},
      {p->attention_type == ATTEST_DECODER && p->block_size < 1, INVALID,
       "block_size: not positive"},
      {p->num_requests < 0, INVALID, "num_requests: negative"},
      {p->num_actual_tokens < 0, INVALID, "num_actual_tokens: negative"},

      {p->attention_type != ATTEST_DECODER, REFUSED, "only decoder attention"},
      {p->causality != ATTEST_CAUSAL, REFUSED, "only causal attention"},
      {(p->flags & ~(uint32_t)ATTEST_FLAG_LSE) != 0, REFUSED, "no flag but ATTEST_FLAG_LSE"},
      {!is_float32(p->query_dtype), REFUSED, "query_dtype: only float32"},
      {!is_float32(p->cache_dtype), REFUSED, "cache_dtype: only float32"},
      {!is_float32(p->output_dtype), REFUSED, "output_dtype: only float32"},
      {p->kv_scale_kind != ATTEST_KV_SCALE_NONE, REFUSED, "no scaled cache"},
      {!in_range(HEAD_DIMS, p->head_dim_qk), REFUSED, "head_dim_qk: at most 256"},
      {!in_range(HEAD_DIMS, p->head_dim_v), REFUSED, "head_dim_v: at most 256"},
      {!bad_heads && !in_range(GROUP_SIZES, p->num_q_heads / p->num_kv_heads), REFUSED,
       "num_q_heads / num_kv_heads: at most 64"},
      {!in_range(BLOCK_SIZES, p->block_size), REFUSED, "block_size: at most 512"},
      {p->softcap != 0.0F, REFUSED, "no softcap"},
      {p->window_left != 0 || p->window_right != 0, REFUSED, "no window"},
      {p->local_block_size != 0 || p->local_block_lookback != 0, REFUSED, "no local blocks"},
      {p->kv_layout != ATTEST_KV_STRIDED, REFUSED, "kv_layout: only strided"},
      {p->custom_mask_kind != ATTEST_MASK_NONE, REFUSED, "no custom mask"},
  };
  (void)self;
  for (size_t i = 0; i < sizeof checks / sizeof checks[0]; ++i) {
    if (checks[i].wrong) return fail(error, checks[i].status, checks[i].text);
  }
  return ATTEST_OK;
}

/* ---- The work ---- */

/* Address of element [i, j, k, 0] of a tensor with 3 or 4 axes, or [i, j] with 2 (then k is 0). */
static void* at(const attest_tensor_t* t, int64_t i, int64_t j, int64_t k) {
  int64_t offset = i * t->strides[0];
  if (t->ndim > 1) offset += j * t->strides[1];
  if (t->ndim > 3) offset += k * t->strides[2];
  return (char*)t->data + t->byte_offset + offset * (t->dtype.bits / 8);
}

/* Row `kv_head` of key `key` of a request, in key_cache or value_cache. */
static const float* cache_row(const attest_forward_args_t* args, const attest_tensor_t* cache,
                              int64_t block_size, int64_t request, int64_t key, int64_t kv_head) {
  const int32_t page = *(const int32_t*)at(&args->block_table, request, key / block_size, 0);
  return at(cache, page, key % block_size, kv_head);
}

/* One query row and one query head; `token` is its row in query and out. It stands at `position`
 * and sees the keys 0 .. position, none if that is negative. */
static void attend(const attest_problem_t* p, const attest_forward_args_t* args, int64_t request,
                   int64_t token, int64_t position, int64_t head) {
  const int64_t kv_head = head / (p->num_q_heads / p->num_kv_heads);
  const float* query = at(&args->query, token, head, 0);
  const int64_t query_step = args->query.strides[2];
  const int64_t key_step = args->key_cache.strides[3];
  const int64_t value_step = args->value_cache.strides[3];
  float maximum = -INFINITY, sum = 0.0F, weighted[MAX_HEAD_DIM] = {0};

  for (int64_t k = 0; k <= position; ++k) {
    const float* key = cache_row(args, &args->key_cache, p->block_size, request, k, kv_head);
    const float* value = cache_row(args, &args->value_cache, p->block_size, request, k, kv_head);
    float score = 0.0F;
    for (int32_t d = 0; d < p->head_dim_qk; ++d) score += query[d * query_step] * key[d * key_step];
    score *= p->scale;

    if (score > maximum) { /* what was summed so far is relative to the old maximum */
      const float shrink = expf(maximum - score);
      sum *= shrink;
      for (int32_t d = 0; d < p->head_dim_v; ++d) weighted[d] *= shrink;
      maximum = score;
    }
    const float weight = expf(score - maximum);
    sum += weight;
    for (int32_t d = 0; d < p->head_dim_v; ++d) weighted[d] += weight * value[d * value_step];
  }

  float* out = at(&args->out, token, head, 0);
  for (int32_t d = 0; d < p->head_dim_v; ++d) {
    out[d * args->out.strides[2]] = sum > 0.0F ? weighted[d] / sum : 0.0F;
  }
  if ((p->flags & ATTEST_FLAG_LSE) != 0) {
    *(float*)at(&args->lse, token, head, 0) = maximum + logf(sum); /* -inf for an empty row */
  }
}

static attest_status_t forward(void* self, const attest_problem_t* p,
                               const attest_forward_args_t* args, attest_error_t* error) {
  const attest_status_t status = supports(self, p, error);
  if (status != ATTEST_OK) return status;
  for (int64_t r = 0; r < p->num_requests; ++r) {
    const int64_t start = *(const int32_t*)at(&args->query_start_loc, r, 0, 0);
    const int64_t q_len = *(const int32_t*)at(&args->query_start_loc, r + 1, 0, 0) - start;
    const int64_t seq_len = *(const int32_t*)at(&args->seq_lens, r, 0, 0);
    for (int64_t i = 0; i < q_len; ++i) {
      for (int64_t h = 0; h < p->num_q_heads; ++h) {
        attend(p, args, r, start + i, seq_len - q_len + i, h);
      }
    }
  }
  return ATTEST_OK;
}

static attest_status_t synchronize(void* self, attest_error_t* error) {
  (void)self;
  (void)error;
  return ATTEST_OK; /* forward queues nothing */
}

static void close_backend(void* self) { (void)self; }

/* ---- The one exported symbol ---- */

attest_status_t attest_backend_open(uint32_t abi_version, const char* selector, const char* options,
                                    attest_backend_t* backend, attest_error_t* error) {
  if (abi_version != ATTEST_ABI_VERSION || backend->struct_size < sizeof *backend) {
    return fail(error, ATTEST_ABI_MISMATCH, "first speaks version 0.1 of the ABI");
  }
  if (selector != NULL && *selector != '\0') {
    return fail(error, ATTEST_INVALID_ARGUMENT, "selector: first knows only the empty one");
  }
  if (!options_are_known(options)) {
    return fail(error, ATTEST_INVALID_ARGUMENT, "options: first knows only threads=N");
  }
  memset(backend, 0, sizeof *backend); /* a NULL member is "not offered" */
  backend->struct_size = (uint32_t)sizeof *backend;
  backend->abi_version = ATTEST_ABI_VERSION;
  backend->close = close_backend;
  backend->claims = claims;
  backend->supports = supports;
  backend->forward = forward;
  backend->synchronize = synchronize;
  return ATTEST_OK;
}
