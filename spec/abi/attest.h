/* SPDX-License-Identifier: Apache-2.0
 *
 * attest.h - the C ABI between the conformance suite and an attention backend.
 *
 * A backend is one shared library that exports one function, attest_backend_open (at the end of
 * this file). This header is all that a backend author needs: C99, no other header of attest, no
 * framework. The clauses that a backend is judged by stand in spec/clauses; the message protocol
 * for a backend that is a process and not a library stands in spec/abi/worker.md.
 *
 * Rules that hold for everything below
 *   - Structures begin with struct_size, the size the *creator* of the structure knows. New fields
 *     go to the end; who reads a field checks that struct_size covers it. Reserved bytes are zero.
 *   - Zero means the ordinary thing: a zeroed attest_problem_t describes a causal decoder (spec
 *     clause ABI-01).
 *   - An enum value that the reader does not know is an error, never a default (ABI-02).
 *   - One thread drives one instance. The backend owns its queue (stream); `synchronize` completes
 *     it.
 *   - Nothing is thrown across this boundary. A call that returns ATTEST_REFUSED or
 *     ATTEST_INVALID_ARGUMENT leaves every output tensor as it was.
 *   - All pointers in attest_forward_args_t and its siblings point to memory that `allocate`
 *     returned (for a backend on ATTEST_DEVICE_CPU that does not offer `allocate`: to host memory),
 *     except the fields whose name ends in _cpu, which point to host memory.
 *
 * Version 0.x: fields may still move between minor versions; from 1.0 on they never do.
 */
#ifndef ATTEST_ABI_ATTEST_H_
#define ATTEST_ABI_ATTEST_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATTEST_ABI_VERSION_MAJOR 0
#define ATTEST_ABI_VERSION_MINOR 1
/* Passed to attest_backend_open and stored in the table. Equal majors (and, while the major is 0,
 * equal minors) are compatible. */
#define ATTEST_ABI_VERSION ((uint32_t)((ATTEST_ABI_VERSION_MAJOR << 16) | ATTEST_ABI_VERSION_MINOR))

#if defined(_WIN32)
#define ATTEST_EXPORT __declspec(dllexport)
#else
#define ATTEST_EXPORT __attribute__((visibility("default")))
#endif

/* ---- Results ---- */

typedef int32_t attest_status_t;
enum {
  /* Done; outputs are complete after `synchronize`. */
  ATTEST_OK = 0,
  /* This backend does not do this. The error text is the reason. The caller records a refusal. */
  ATTEST_REFUSED = 1,
  /* The arguments contradict each other or the spec. The error text names the field and the value.
   * The caller corrects the call; the backend stays usable. */
  ATTEST_INVALID_ARGUMENT = 2,
  /* Host or device memory ran out. The caller frees memory or gives up on this problem. */
  ATTEST_OUT_OF_MEMORY = 3,
  /* The device named by the selector is absent or below what the backend needs. The caller stops.
   */
  ATTEST_NO_DEVICE = 4,
  /* The device stopped answering. The caller closes the instance; nothing else may be called. */
  ATTEST_DEVICE_LOST = 5,
  /* abi_version is not one that the backend speaks. The caller stops. */
  ATTEST_ABI_MISMATCH = 6,
  /* A fault of the backend itself. The caller reports the text and may go on with the next problem.
   */
  ATTEST_INTERNAL = 7
};

/* Text of the last failure; owned by the caller, zero-terminated, untouched on ATTEST_OK. May be
 * NULL. */
typedef struct attest_error {
  char message[1024];
} attest_error_t;

/* ---- Tensors: DLPack's DLTensor layout ---- */

/* Numbers are DLPack's DLDeviceType. */
enum {
  ATTEST_DEVICE_CPU = 1,
  ATTEST_DEVICE_CUDA = 2,
  ATTEST_DEVICE_CUDA_HOST = 3,
  ATTEST_DEVICE_ROCM = 10,
  ATTEST_DEVICE_ROCM_HOST = 11
};

typedef struct attest_device {
  int32_t device_type;
  int32_t device_id;
} attest_device_t;

/* `code` numbers are DLPack's DLDataTypeCode. A zeroed dtype is no dtype at all and is refused. */
enum {
  ATTEST_INT = 0,
  ATTEST_UINT = 1,
  ATTEST_FLOAT = 2,          /* bits 32: float32, 16: float16 */
  ATTEST_BFLOAT = 4,         /* bits 16: bfloat16 */
  ATTEST_BOOL = 6,           /* bits 8, values 0 and 1 */
  ATTEST_FLOAT8_E4M3FN = 10, /* bits 8 from here on */
  ATTEST_FLOAT8_E4M3FNUZ = 11,
  ATTEST_FLOAT8_E5M2 = 12,
  ATTEST_FLOAT8_E5M2FNUZ = 13
};

typedef struct attest_dtype {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes; /* always 1 */
} attest_dtype_t;

/* Element [i0, i1, ...] lives at data + byte_offset + sizeof(dtype) * (i0*strides[0] +
 * i1*strides[1] + ...). Strides count elements, are never NULL, may be 0 (broadcast, inputs only).
 * An absent optional tensor has data == NULL and ndim == 0. `shape` and `strides` belong to the
 * caller and live as long as the call. */
typedef struct attest_tensor {
  void* data;
  attest_device_t device;
  int32_t ndim;
  attest_dtype_t dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
} attest_tensor_t;

/* ---- What is asked: the problem ---- */

/* Request r has q_len[r] new tokens and seq_len[r] keys in all. Query row i stands at position
 * p = seq_len - q_len + i (bottom-right alignment). Which keys it sees: spec/clauses/masks.md. */

typedef int32_t attest_attention_type_t;
enum {
  ATTEST_DECODER = 0, /* keys come from the paged cache; `causality` decides */
  ATTEST_ENCODER_ONLY =
      1, /* keys are this step's packed tokens, never paged; ignores `causality` */
  ATTEST_ENCODER_DECODER = 2 /* cross attention: the paged cache holds the encoder's seq_len keys,
                                every row sees all of them; ignores `causality` */
};

typedef int32_t attest_causality_t;
enum {
  ATTEST_CAUSAL = 0,
  ATTEST_NON_CAUSAL = 1,
  ATTEST_CAUSALITY_PER_REQUEST = 2 /* forward_args.request_causal decides for each request */
};

typedef int32_t attest_kv_layout_t;
enum {
  ATTEST_KV_STRIDED =
      0, /* key_cache and value_cache are [num_blocks, block_size, num_kv_heads, head_dim] views:
            NHD, HND, packed K|V, padded pages and MLA's shared latent are all strides */
  ATTEST_KV_X_SPLIT =
      1 /* key_cache [num_blocks, num_kv_heads, head_dim/x, block_size, x] with
           x = 16 / sizeof(element); value_cache [num_blocks, num_kv_heads, head_dim, block_size] */
};

typedef int32_t attest_mask_kind_t;
enum {
  ATTEST_MASK_NONE = 0,
  ATTEST_MASK_BOOLEAN =
      1, /* forward_args.custom_mask: 1 = visible; ANDed with the rest of the mask */
  ATTEST_MASK_ADDITIVE = 2 /* forward_args.custom_mask: float, added to the score */
};

typedef int32_t attest_kv_scale_kind_t;
enum {
  ATTEST_KV_SCALE_NONE = 0,
  ATTEST_KV_SCALE_PER_TENSOR = 1,
  ATTEST_KV_SCALE_PER_HEAD = 2,
  ATTEST_KV_SCALE_PER_TOKEN_HEAD = 3
};

/* attest_problem_t.flags */
enum {
  ATTEST_FLAG_LSE = 1u << 0,             /* the caller passes an lse tensor */
  ATTEST_FLAG_SINKS = 1u << 1,           /* forward_args.sinks is given */
  ATTEST_FLAG_ALIBI = 1u << 2,           /* forward_args.alibi_slopes is given; bias -slope*|p-k| */
  ATTEST_FLAG_PREFIX_RANGES = 1u << 3,   /* forward_args.prefix_ranges is given */
  ATTEST_FLAG_PREFIX_CLAMPED = 1u << 4,  /* a prefix range is itself ANDed with the left window */
  ATTEST_FLAG_TREE_MASK = 1u << 5,       /* forward_args.tree_mask is given */
  ATTEST_FLAG_BATCH_INVARIANT = 1u << 6, /* batch-invariant mode is asked for */
  ATTEST_FLAG_PAGE_ALIASING = 1u << 7,   /* one row of the block table may name a page twice */
  ATTEST_FLAG_VALUE_IS_KEY_PREFIX =
      1u << 8 /* MLA: value_cache is a view of key_cache's first head_dim_v columns */
};

typedef struct attest_problem {
  uint32_t struct_size;
  attest_attention_type_t attention_type;
  attest_causality_t causality;
  uint32_t flags;

  attest_dtype_t query_dtype; /* of query, key and value of this step */
  attest_dtype_t cache_dtype; /* of key_cache and value_cache */
  attest_dtype_t output_dtype;
  attest_kv_scale_kind_t kv_scale_kind;

  int32_t num_q_heads;
  int32_t num_kv_heads; /* divides num_q_heads; kv_head = q_head / (num_q_heads / num_kv_heads) */
  int32_t head_dim_qk;
  int32_t head_dim_v;

  float scale; /* score = scale * (q . k); finite and not 0, never assumed to be head_dim_qk^-0.5 */
  float softcap; /* 0: none; else score = softcap * tanh(score / softcap), before bias and mask */

  int64_t window_left;  /* keys to the left of p that are visible, self included; 0: no bound, 1:
                           self only */
  int64_t window_right; /* keys to the right of p that are visible, self included; 0: no bound, 1:
                           self only */
  int64_t local_block_size; /* 0: off; else chunked-local attention in blocks of this many keys */
  int64_t local_block_lookback; /* how many earlier blocks stay visible; 0: the own block only */

  attest_kv_layout_t kv_layout;
  int32_t block_size; /* tokens in a page; 0 for encoder-only, which is never paged */
  attest_mask_kind_t custom_mask_kind;
  int32_t reserved0;

  /* Sizes of this call. max_query_len and max_seq_len are upper bounds and must not change a
   * result. */
  int64_t num_requests;
  int64_t num_actual_tokens; /* sum of q_len; query and out may have more rows, which are padding */
  int64_t max_query_len;
  int64_t max_seq_len;
  int64_t num_blocks; /* pages in the cache */
  int64_t block_table_width;
} attest_problem_t;

/* ---- What a backend says of itself: the claims ---- */

/* Arithmetic classes, spec/clauses/numerics.md: every bound that the suite applies follows from the
 * class. */
typedef int32_t attest_arithmetic_class_t;
enum {
  ATTEST_ARITHMETIC_DEFAULT = 0,
  ATTEST_ARITHMETIC_STRICT = 1, /* round to nearest everywhere, IEEE float32 accumulation */
  ATTEST_ARITHMETIC_LENIENT = 2
};

/* Named overrides of single parameters of the class; 0 keeps the value of the class. Every override
 * is printed on the first page of the report. Meaning and derivation: spec/clauses/numerics.md. */
typedef struct attest_arithmetic {
  uint32_t struct_size;
  attest_arithmetic_class_t arithmetic_class;
  double accumulate_qk; /* c_qk: error of a q.k accumulation, in units of 2^-24 * sum|a||b| per
                           product */
  double accumulate_pv; /* c_pv */
  double accumulate_l;  /* c_l: the softmax denominator */
  double round_p;       /* u_p: relative rounding of the weights before P.V */
  double round_output;  /* relative; 0: half an ulp of the output dtype */
  double exp_error;     /* eps_exp, relative */
  double tanh_error;    /* eps_tanh, relative */
  double round_q;       /* u_q: q multiplied by the scale and rounded */
  double round_k;       /* u_k: keys rounded again after dequantisation */
  double round_v;       /* u_v */
  double round_score;   /* u_s: scores stored in 16 bit */
  double round_partial; /* u_part: split partial outputs stored in 16 bit */
  int32_t tile_min;     /* smallest key tile; 0 keeps the class's 16 */
  int32_t reserved0;
} attest_arithmetic_t;

/* attest_claims_t.features: a bit is a claim. Unclaimed features must be refused, with a reason. */
#define ATTEST_CLAIM_DECODER_CAUSAL (UINT64_C(1) << 0)
#define ATTEST_CLAIM_DECODER_NON_CAUSAL (UINT64_C(1) << 1)
#define ATTEST_CLAIM_PER_REQUEST_CAUSALITY (UINT64_C(1) << 2)
#define ATTEST_CLAIM_ENCODER_ONLY (UINT64_C(1) << 3)
#define ATTEST_CLAIM_ENCODER_DECODER (UINT64_C(1) << 4)
#define ATTEST_CLAIM_WINDOW_CAUSAL (UINT64_C(1) << 5) /* window_left under a causal mask */
#define ATTEST_CLAIM_WINDOW_SYMMETRIC \
  (UINT64_C(1) << 6) /* window_left == window_right, not causal */
#define ATTEST_CLAIM_WINDOW_ASYMMETRIC (UINT64_C(1) << 7) /* any other pair */
#define ATTEST_CLAIM_SOFTCAP (UINT64_C(1) << 8)
#define ATTEST_CLAIM_ALIBI (UINT64_C(1) << 9)
#define ATTEST_CLAIM_SINKS (UINT64_C(1) << 10)
#define ATTEST_CLAIM_PREFIX_RANGES (UINT64_C(1) << 11)
#define ATTEST_CLAIM_PREFIX_CLAMPED (UINT64_C(1) << 12)
#define ATTEST_CLAIM_LOCAL_BLOCKS (UINT64_C(1) << 13)
#define ATTEST_CLAIM_LOCAL_LOOKBACK (UINT64_C(1) << 14)
#define ATTEST_CLAIM_TREE_MASK (UINT64_C(1) << 15)
#define ATTEST_CLAIM_BOOLEAN_MASK (UINT64_C(1) << 16)
#define ATTEST_CLAIM_ADDITIVE_MASK (UINT64_C(1) << 17)
#define ATTEST_CLAIM_LSE (UINT64_C(1) << 18)
#define ATTEST_CLAIM_KV_X_SPLIT (UINT64_C(1) << 19)
#define ATTEST_CLAIM_KV_STRIDES \
  (UINT64_C(1) << 20) /* any strides of the cache; without it: NHD, contiguous */
#define ATTEST_CLAIM_TOKEN_STRIDES \
  (UINT64_C(1) << 21) /* any strides of query, key, value and out */
#define ATTEST_CLAIM_SHARED_LATENT (UINT64_C(1) << 22) /* ATTEST_FLAG_VALUE_IS_KEY_PREFIX */
#define ATTEST_CLAIM_PAGE_ALIASING (UINT64_C(1) << 23)
#define ATTEST_CLAIM_DETERMINISTIC (UINT64_C(1) << 24)
#define ATTEST_CLAIM_BATCH_INVARIANT (UINT64_C(1) << 25)
#define ATTEST_CLAIM_CHUNK_INVARIANT (UINT64_C(1) << 26)
#define ATTEST_CLAIM_UNEQUAL_HEAD_DIMS (UINT64_C(1) << 27) /* head_dim_qk != head_dim_v */
#define ATTEST_CLAIM_KV_SCALE_PER_TENSOR (UINT64_C(1) << 28)
#define ATTEST_CLAIM_KV_SCALE_PER_HEAD (UINT64_C(1) << 29)
#define ATTEST_CLAIM_KV_SCALE_PER_TOKEN_HEAD (UINT64_C(1) << 30)
#define ATTEST_CLAIM_WRITE_KV (UINT64_C(1) << 31) /* the table offers write_kv */
#define ATTEST_CLAIM_MERGE (UINT64_C(1) << 32)    /* the table offers merge */
#define ATTEST_CLAIM_COPY_TO_PERSISTENT \
  (UINT64_C(1) << 33) /* the table offers copy_to_persistent */

/* What the graphs of a backend take; none: the table offers no graph_ member. */
typedef int32_t attest_graph_level_t;
enum {
  ATTEST_GRAPH_NONE = 0,
  ATTEST_GRAPH_UNIFORM_SINGLE_TOKEN = 1, /* every request has q_len 1 */
  ATTEST_GRAPH_UNIFORM_BATCH = 2,        /* every request has the same q_len */
  ATTEST_GRAPH_ALWAYS = 3
};

/* A combination of claimed features that is not supported all the same; shown on the first page of
 * a report. `features` are ATTEST_CLAIM_ bits; a problem that needs all of them is excluded. The
 * dtypes narrow it further (zeroed: any), so does head_dim (0: any). */
typedef struct attest_exclusion {
  uint64_t features;
  attest_dtype_t query_dtype;
  attest_dtype_t cache_dtype;
  int32_t head_dim_qk;
  int32_t reserved0;
  const char* reason;
} attest_exclusion_t;

/* Inclusive range with a step: {64, 256, 64} = 64, 128, 192, 256. */
typedef struct attest_range {
  int32_t first;
  int32_t last;
  int32_t step;
} attest_range_t;

/* All arrays belong to the backend and live until `close`. A NULL array with count 0 claims
 * nothing. */
typedef struct attest_claims {
  uint32_t struct_size;
  attest_graph_level_t graph_level;
  uint64_t features;

  const char* name;    /* "flash", shown in reports */
  const char* version; /* of the backend; any text */
  const char* vendor;
  const char* device_name; /* of the device that this instance runs on */

  const attest_dtype_t* query_dtypes;
  const attest_dtype_t* cache_dtypes;
  const attest_dtype_t* output_dtypes;
  const attest_range_t* head_dims;   /* of head_dim_qk, and of head_dim_v */
  const attest_range_t* group_sizes; /* num_q_heads / num_kv_heads */
  const attest_range_t* block_sizes;
  const attest_exclusion_t* exclusions;
  int32_t num_query_dtypes;
  int32_t num_cache_dtypes;
  int32_t num_output_dtypes;
  int32_t num_head_dims;
  int32_t num_group_sizes;
  int32_t num_block_sizes;
  int32_t num_exclusions;
  int32_t reserved0;

  attest_arithmetic_t arithmetic;
} attest_claims_t;

/* ---- The calls ---- */

/* Tensors of one forward call. R = num_requests, T = rows of query (>= num_actual_tokens), Hq, Hkv
 * = heads, D = head_dim_qk, Dv = head_dim_v, B = num_blocks, N = block_size. Rows
 * [query_start_loc[r], query_start_loc[r+1]) of query, key, value and out belong to request r. */
typedef struct attest_forward_args {
  uint32_t struct_size;
  uint32_t reserved0;

  /* [T, Hq, D] */
  attest_tensor_t query;
  /* [T, Hkv, D]; this step's keys. Decoder: the cache holds them already. Encoder-only: the keys.
   * Encoder-decoder: absent */
  attest_tensor_t key;
  /* [T, Hkv, Dv]; as key */
  attest_tensor_t value;
  /* [B, N, Hkv, D] (or x-split); absent for encoder-only */
  attest_tensor_t key_cache;
  /* [B, N, Hkv, Dv] (or x-split); absent for encoder-only */
  attest_tensor_t value_cache;

  /* int32 [R+1], prefix sums of q_len */
  attest_tensor_t query_start_loc;
  /* int32 [R], keys in all; encoder-only: equals q_len; cross: encoder length */
  attest_tensor_t seq_lens;
  /* int32 [R, block_table_width]; entries at ceil(seq_len/N) and beyond may hold anything. Absent
   * for encoder-only */
  attest_tensor_t block_table;
  /* int64 [T]; slot of each new token, < 0: not written. Informative here */
  attest_tensor_t slot_mapping;
  /* bool [R]; only with ATTEST_CAUSALITY_PER_REQUEST */
  attest_tensor_t request_causal;

  /* float32 [Hq]; a logit that joins the softmax denominator only */
  attest_tensor_t sinks;
  /* float32 [Hq] */
  attest_tensor_t alibi_slopes;
  /* int64 [n, 3]: request, first, last position, both inclusive */
  attest_tensor_t prefix_ranges;
  /* bool [T, max_query_len]: may new token i see new token j of its request. Columns at q_len and
   * beyond hold anything */
  attest_tensor_t tree_mask;
  /* bool, or with ATTEST_MASK_ADDITIVE float32 or the query's dtype: [R, Hq, max_query_len,
   * max_seq_len]; broadcast axes have stride 0. Minus infinity in an additive mask removes the key.
   * Rows and keys past those of a request hold anything */
  attest_tensor_t custom_mask;
  /* float32 [B, N, Hkv]; broadcast axes have stride 0; stored * scale = key */
  attest_tensor_t key_scale;
  /* float32 [B, N, Hkv] */
  attest_tensor_t value_scale;

  /* [T, Hq, Dv]; rows >= num_actual_tokens stay as they are */
  attest_tensor_t out;
  /* float32 [T, Hq]; natural logarithm, sinks included; with ATTEST_FLAG_LSE */
  attest_tensor_t lse;

  /* Host copies for planning. */
  const int32_t* query_start_loc_cpu;
  const int32_t* seq_lens_cpu;
} attest_forward_args_t;

/* Writes this step's keys and values into the cache. Exactly the slots >= 0 of slot_mapping change.
 */
typedef struct attest_write_kv_args {
  uint32_t struct_size;
  uint32_t reserved0;
  attest_tensor_t key;          /* [T, Hkv, D] */
  attest_tensor_t value;        /* [T, Hkv, Dv] */
  attest_tensor_t key_cache;    /* written */
  attest_tensor_t value_cache;  /* written */
  attest_tensor_t slot_mapping; /* int64 [n], n <= T; block = slot / N, offset = slot % N */
  /* input for per-tensor and per-head scales, output for per-token scales */
  attest_tensor_t key_scale;
  attest_tensor_t value_scale;
} attest_write_kv_args_t;

/* Merges n partial attention states of the same rows by their LSE. A part with lse == -inf has
 * weight 0; if all are empty, out is 0 and lse is -inf. */
typedef struct attest_merge_args {
  uint32_t struct_size;
  int32_t num_parts;
  const attest_tensor_t* part_out; /* num_parts tensors [T, Hq, Dv] */
  const attest_tensor_t* part_lse; /* num_parts tensors float32 [T, Hq] */
  attest_tensor_t out;             /* [T, Hq, Dv] */
  attest_tensor_t lse;             /* float32 [T, Hq] */
} attest_merge_args_t;

/* A buffer that outlives a step: the view a step uses, and the whole buffer behind it. */
typedef struct attest_persistent_view {
  const char* name;       /* unique within the graph, the same at every step */
  attest_tensor_t view;   /* what the captured kernels read */
  attest_tensor_t buffer; /* the allocation, whole */
  uint64_t buffer_bytes;
} attest_persistent_view_t;

/* Owned by the backend, from graph_capture to graph_destroy. */
typedef struct attest_graph attest_graph_t;

/* The table that attest_backend_open fills. A NULL member is "not offered"; `close`, `claims`,
 * `supports`, `forward` and `synchronize` are always offered. `allocate`, `release` and both copies
 * come together; a backend without them works on host memory. */
typedef struct attest_backend {
  uint32_t struct_size; /* the caller sets what it knows; the backend lowers it to what it fills */
  uint32_t abi_version; /* ATTEST_ABI_VERSION that the backend was built with */
  void* self;           /* passed to every member */

  /* Frees the instance. Called once, last. */
  void (*close)(void* self);

  /* Fills *claims. The same answer at every call. */
  attest_status_t (*claims)(void* self, attest_claims_t* claims, attest_error_t* error);

  /* ATTEST_OK: forward will do this problem. ATTEST_REFUSED: it will not, and the text says why. A
   * problem that contradicts itself is ATTEST_INVALID_ARGUMENT. */
  attest_status_t (*supports)(void* self, const attest_problem_t* problem, attest_error_t* error);

  attest_status_t (*forward)(void* self, const attest_problem_t* problem,
                             const attest_forward_args_t* args, attest_error_t* error);

  /* Returns when all queued work is complete and its results are visible to copy_to_host. */
  attest_status_t (*synchronize)(void* self, attest_error_t* error);

  /* Device memory, 256-byte aligned; copies are complete on return. */
  attest_status_t (*allocate)(void* self, uint64_t bytes, void** out_pointer,
                              attest_error_t* error);
  attest_status_t (*release)(void* self, void* pointer, attest_error_t* error);
  attest_status_t (*copy_to_device)(void* self, void* device, const void* host, uint64_t bytes,
                                    attest_error_t* error);
  attest_status_t (*copy_to_host)(void* self, void* host, const void* device, uint64_t bytes,
                                  attest_error_t* error);

  attest_status_t (*write_kv)(void* self, const attest_problem_t* problem,
                              const attest_write_kv_args_t* args, attest_error_t* error);
  attest_status_t (*merge)(void* self, const attest_problem_t* problem,
                           const attest_merge_args_t* args, attest_error_t* error);

  /* Graphs; all five members or none; spec/clauses/graph.md. The caller owns query, key, value,
   * out, lse and all metadata tensors at fixed addresses from capture to destroy; the backend owns
   * what it derives from them. `maximum` is the largest problem that will come: steps differ from
   * it in sizes and bounds alone, and exceed none. Dtypes, ranks and strides of all tensors stay,
   * but for the strides of block_table; key_cache and value_cache keep their shape. Capture may
   * write what forward may. */
  attest_status_t (*graph_capture)(void* self, const attest_problem_t* maximum,
                                   const attest_forward_args_t* args, attest_graph_t** out_graph,
                                   attest_error_t* error);
  /* Prepares a step: the contents of the caller's tensors have changed, `step` says the sizes.
   * Elements past the step's shapes may hold anything. No replay yet: writes no tensor of the
   * caller. A step that exceeds `maximum`, or differs in anything but sizes and bounds, is
   * ATTEST_INVALID_ARGUMENT. */
  attest_status_t (*graph_update)(void* self, attest_graph_t* graph, const attest_problem_t* step,
                                  const attest_forward_args_t* args, attest_error_t* error);
  /* Computes the step of the last update, from what query, key, value and the caches hold now. May
   * be called again. */
  attest_status_t (*graph_replay)(void* self, attest_graph_t* graph, attest_error_t* error);
  /* After an update: view `index` (0, 1, ...); ATTEST_INVALID_ARGUMENT past the last. */
  attest_status_t (*graph_inspect)(void* self, attest_graph_t* graph, int32_t index,
                                   attest_persistent_view_t* out_view, attest_error_t* error);
  attest_status_t (*graph_destroy)(void* self, attest_graph_t* graph, attest_error_t* error);

  /* Copies `source` into the leading corner of `buffer` and describes the view that a graph would
   * read: the buffer's data pointer and strides, the source's shape. A larger source, another rank
   * or another dtype is ATTEST_INVALID_ARGUMENT, never a truncation. view->shape and view->strides
   * point to `ndim` elements that the caller provides. */
  attest_status_t (*copy_to_persistent)(void* self, const attest_tensor_t* buffer,
                                        const attest_tensor_t* source, attest_tensor_t* view,
                                        attest_error_t* error);
} attest_backend_t;

/* The one exported symbol of a backend library.
 *
 * abi_version  what the caller speaks (ATTEST_ABI_VERSION)
 * selector     chooses among the backends of one library ("flash", "mutant:ID", "0" for a device);
 * "" = the default options      "key=value,key=value"; an unknown key is ATTEST_INVALID_ARGUMENT.
 * "threads=N" is always understood backend      zeroed by the caller but for struct_size; filled on
 * ATTEST_OK error        may be NULL
 *
 * Returns ATTEST_OK, ATTEST_ABI_MISMATCH, ATTEST_NO_DEVICE, ATTEST_INVALID_ARGUMENT (selector or
 * options) or ATTEST_OUT_OF_MEMORY. May be called several times; each success is one instance,
 * ended by `close`. */
typedef attest_status_t (*attest_backend_open_t)(uint32_t abi_version, const char* selector,
                                                 const char* options, attest_backend_t* backend,
                                                 attest_error_t* error);

ATTEST_EXPORT attest_status_t attest_backend_open(uint32_t abi_version, const char* selector,
                                                  const char* options, attest_backend_t* backend,
                                                  attest_error_t* error);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* ATTEST_ABI_ATTEST_H_ */
