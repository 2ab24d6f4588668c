/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiled as C99 with -pedantic -Werror and nothing included before the header: proof that
 * attest.h needs no other. The layout of every structure that crosses the boundary is pinned here,
 * for 64-bit hosts: a number that changes is a new ABI. */
#include "spec/abi/attest.h"

/* C99 has no static assertion: an array of negative size stops the compiler, and the line names
 * what moved. */
#define PIN(name, condition) typedef char pinned_##name[(condition) ? 1 : -1]
#define OFFSET(type, member, number) \
  PIN(offset_of_##type##_##member, offsetof(type##_t, member) == (number))
#define SIZE(type, number) PIN(size_of_##type, sizeof(type##_t) == (number))

SIZE(attest_error, 1024);
SIZE(attest_device, 8);
SIZE(attest_dtype, 4);

SIZE(attest_tensor, 48);
OFFSET(attest_tensor, data, 0);
OFFSET(attest_tensor, device, 8);
OFFSET(attest_tensor, ndim, 16);
OFFSET(attest_tensor, dtype, 20);
OFFSET(attest_tensor, shape, 24);
OFFSET(attest_tensor, strides, 32);
OFFSET(attest_tensor, byte_offset, 40);

SIZE(attest_problem, 152);
OFFSET(attest_problem, struct_size, 0);
OFFSET(attest_problem, attention_type, 4);
OFFSET(attest_problem, causality, 8);
OFFSET(attest_problem, flags, 12);
OFFSET(attest_problem, query_dtype, 16);
OFFSET(attest_problem, cache_dtype, 20);
OFFSET(attest_problem, output_dtype, 24);
OFFSET(attest_problem, kv_scale_kind, 28);
OFFSET(attest_problem, num_q_heads, 32);
OFFSET(attest_problem, num_kv_heads, 36);
OFFSET(attest_problem, head_dim_qk, 40);
OFFSET(attest_problem, head_dim_v, 44);
OFFSET(attest_problem, scale, 48);
OFFSET(attest_problem, softcap, 52);
OFFSET(attest_problem, window_left, 56);
OFFSET(attest_problem, window_right, 64);
OFFSET(attest_problem, local_block_size, 72);
OFFSET(attest_problem, local_block_lookback, 80);
OFFSET(attest_problem, kv_layout, 88);
OFFSET(attest_problem, block_size, 92);
OFFSET(attest_problem, custom_mask_kind, 96);
OFFSET(attest_problem, reserved0, 100);
OFFSET(attest_problem, num_requests, 104);
OFFSET(attest_problem, num_actual_tokens, 112);
OFFSET(attest_problem, max_query_len, 120);
OFFSET(attest_problem, max_seq_len, 128);
OFFSET(attest_problem, num_blocks, 136);
OFFSET(attest_problem, block_table_width, 144);

SIZE(attest_arithmetic, 112);
OFFSET(attest_arithmetic, struct_size, 0);
OFFSET(attest_arithmetic, arithmetic_class, 4);
OFFSET(attest_arithmetic, accumulate_qk, 8);
OFFSET(attest_arithmetic, round_partial, 96);
OFFSET(attest_arithmetic, tile_min, 104);

SIZE(attest_exclusion, 32);
OFFSET(attest_exclusion, features, 0);
OFFSET(attest_exclusion, query_dtype, 8);
OFFSET(attest_exclusion, cache_dtype, 12);
OFFSET(attest_exclusion, head_dim_qk, 16);
OFFSET(attest_exclusion, reason, 24);

SIZE(attest_range, 12);

SIZE(attest_claims, 248);
OFFSET(attest_claims, struct_size, 0);
OFFSET(attest_claims, graph_level, 4);
OFFSET(attest_claims, features, 8);
OFFSET(attest_claims, name, 16);
OFFSET(attest_claims, version, 24);
OFFSET(attest_claims, vendor, 32);
OFFSET(attest_claims, device_name, 40);
OFFSET(attest_claims, query_dtypes, 48);
OFFSET(attest_claims, cache_dtypes, 56);
OFFSET(attest_claims, output_dtypes, 64);
OFFSET(attest_claims, head_dims, 72);
OFFSET(attest_claims, group_sizes, 80);
OFFSET(attest_claims, block_sizes, 88);
OFFSET(attest_claims, exclusions, 96);
OFFSET(attest_claims, num_query_dtypes, 104);
OFFSET(attest_claims, num_exclusions, 128);
OFFSET(attest_claims, arithmetic, 136);

SIZE(attest_forward_args, 936);
OFFSET(attest_forward_args, struct_size, 0);
OFFSET(attest_forward_args, query, 8);
OFFSET(attest_forward_args, key, 56);
OFFSET(attest_forward_args, value, 104);
OFFSET(attest_forward_args, key_cache, 152);
OFFSET(attest_forward_args, value_cache, 200);
OFFSET(attest_forward_args, query_start_loc, 248);
OFFSET(attest_forward_args, seq_lens, 296);
OFFSET(attest_forward_args, block_table, 344);
OFFSET(attest_forward_args, slot_mapping, 392);
OFFSET(attest_forward_args, request_causal, 440);
OFFSET(attest_forward_args, sinks, 488);
OFFSET(attest_forward_args, alibi_slopes, 536);
OFFSET(attest_forward_args, prefix_ranges, 584);
OFFSET(attest_forward_args, tree_mask, 632);
OFFSET(attest_forward_args, custom_mask, 680);
OFFSET(attest_forward_args, key_scale, 728);
OFFSET(attest_forward_args, value_scale, 776);
OFFSET(attest_forward_args, out, 824);
OFFSET(attest_forward_args, lse, 872);
OFFSET(attest_forward_args, query_start_loc_cpu, 920);
OFFSET(attest_forward_args, seq_lens_cpu, 928);

SIZE(attest_write_kv_args, 344);
OFFSET(attest_write_kv_args, key, 8);
OFFSET(attest_write_kv_args, value_scale, 296);

SIZE(attest_merge_args, 120);
OFFSET(attest_merge_args, num_parts, 4);
OFFSET(attest_merge_args, part_out, 8);
OFFSET(attest_merge_args, lse, 72);

SIZE(attest_persistent_view, 112);

SIZE(attest_backend, 152);
OFFSET(attest_backend, struct_size, 0);
OFFSET(attest_backend, abi_version, 4);
OFFSET(attest_backend, self, 8);
OFFSET(attest_backend, close, 16);
OFFSET(attest_backend, claims, 24);
OFFSET(attest_backend, supports, 32);
OFFSET(attest_backend, forward, 40);
OFFSET(attest_backend, synchronize, 48);
OFFSET(attest_backend, allocate, 56);
OFFSET(attest_backend, release, 64);
OFFSET(attest_backend, copy_to_device, 72);
OFFSET(attest_backend, copy_to_host, 80);
OFFSET(attest_backend, write_kv, 88);
OFFSET(attest_backend, merge, 96);
OFFSET(attest_backend, graph_capture, 104);
OFFSET(attest_backend, graph_update, 112);
OFFSET(attest_backend, graph_replay, 120);
OFFSET(attest_backend, graph_inspect, 128);
OFFSET(attest_backend, graph_destroy, 136);
OFFSET(attest_backend, copy_to_persistent, 144);

PIN(open_has_the_type_it_says, sizeof((attest_backend_open_t)attest_backend_open) == sizeof(void*));

/* What a C author writes: a table and a refusal. */
static attest_status_t Refuse(void* self, const attest_problem_t* problem, attest_error_t* error) {
  (void)self;
  (void)problem;
  if (error != NULL) error->message[0] = '\0';
  return ATTEST_REFUSED;
}

attest_status_t AttestC99Check(attest_backend_t* backend);
attest_status_t AttestC99Check(attest_backend_t* backend) {
  attest_problem_t problem = {0};
  backend->struct_size = (uint32_t)sizeof(*backend);
  backend->abi_version = ATTEST_ABI_VERSION;
  backend->supports = Refuse;
  return backend->supports(NULL, &problem, NULL);
}
