// SPDX-License-Identifier: Apache-2.0
//
// libattest_cpu.so: the table, the claims, and the border that no exception crosses.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <exception>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>

#include "backends/cpu/answer.h"
#include "backends/cpu/argument_check.h"
#include "backends/cpu/element_type.h"
#include "backends/cpu/forward.h"
#include "backends/cpu/graph.h"
#include "backends/cpu/limits.h"
#include "backends/cpu/merge.h"
#include "backends/cpu/persistent.h"
#include "backends/cpu/problem_check.h"
#include "backends/cpu/write_kv.h"
#include "spec/abi/attest.h"

namespace attest::cpu {
namespace {

// The first three are the types of queries and outputs.
constexpr std::array kDTypes = {kFloat32DType,      kFloat16DType,        kBFloat16DType,
                                kFloat8E4M3FNDType, kFloat8E4M3FNUZDType, kFloat8E5M2DType,
                                kInt8DType};
constexpr int kTokenDTypes = 3;
constexpr attest_range_t kHeadDims = {1, kMaxHeadDim, 1};
constexpr attest_range_t kGroupSizes = {1, kMaxGroup, 1};
constexpr attest_range_t kBlockSizes = {1, kMaxBlockSize, 1};
constexpr std::uint64_t kFeatures =
    ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_DECODER_NON_CAUSAL |
    ATTEST_CLAIM_PER_REQUEST_CAUSALITY | ATTEST_CLAIM_ENCODER_ONLY | ATTEST_CLAIM_ENCODER_DECODER |
    ATTEST_CLAIM_WINDOW_CAUSAL | ATTEST_CLAIM_WINDOW_SYMMETRIC | ATTEST_CLAIM_WINDOW_ASYMMETRIC |
    ATTEST_CLAIM_SOFTCAP | ATTEST_CLAIM_ALIBI | ATTEST_CLAIM_SINKS | ATTEST_CLAIM_PREFIX_RANGES |
    ATTEST_CLAIM_PREFIX_CLAMPED | ATTEST_CLAIM_LOCAL_BLOCKS | ATTEST_CLAIM_LOCAL_LOOKBACK |
    ATTEST_CLAIM_TREE_MASK | ATTEST_CLAIM_BOOLEAN_MASK | ATTEST_CLAIM_ADDITIVE_MASK |
    ATTEST_CLAIM_LSE | ATTEST_CLAIM_KV_X_SPLIT | ATTEST_CLAIM_KV_STRIDES |
    ATTEST_CLAIM_TOKEN_STRIDES | ATTEST_CLAIM_SHARED_LATENT | ATTEST_CLAIM_PAGE_ALIASING |
    ATTEST_CLAIM_DETERMINISTIC | ATTEST_CLAIM_BATCH_INVARIANT | ATTEST_CLAIM_CHUNK_INVARIANT |
    ATTEST_CLAIM_UNEQUAL_HEAD_DIMS | ATTEST_CLAIM_KV_SCALE_PER_TENSOR |
    ATTEST_CLAIM_KV_SCALE_PER_HEAD | ATTEST_CLAIM_KV_SCALE_PER_TOKEN_HEAD | ATTEST_CLAIM_WRITE_KV |
    ATTEST_CLAIM_MERGE | ATTEST_CLAIM_COPY_TO_PERSISTENT;

attest_status_t Report(attest_error_t* error, attest_status_t status, std::string_view text) {
  if (error != nullptr && status != ATTEST_OK) {
    std::snprintf(error->message, sizeof(error->message), "%.*s", static_cast<int>(text.size()),
                  text.data());
  }
  return status;
}

// Runs `body`, which returns an Answer; what it throws becomes a code.
template <typename Body>
attest_status_t Guarded(attest_error_t* error, Body body) {
  try {
    const Answer answer = body();
    return Report(error, answer.status, answer.text);
  } catch (const std::bad_alloc&) {
    return Report(error, ATTEST_OUT_OF_MEMORY, "out of host memory");
  } catch (const std::exception& exception) {
    return Report(error, ATTEST_INTERNAL, exception.what());
  }
}

attest_status_t FillClaims(void* /*self*/, attest_claims_t* claims, attest_error_t* error) {
  const std::uint32_t size = claims->struct_size;
  if (size < sizeof(*claims)) {
    return Report(error, ATTEST_INVALID_ARGUMENT, "claims.struct_size: too small");
  }
  *claims = {};
  claims->struct_size = size;
  claims->graph_level = ATTEST_GRAPH_ALWAYS;
  claims->features = kFeatures;
  claims->name = "cpu";
  claims->version = "0.1";
  claims->vendor = "attest";
  claims->device_name = "host processor";
  claims->query_dtypes = claims->cache_dtypes = claims->output_dtypes = kDTypes.data();
  claims->num_query_dtypes = claims->num_output_dtypes = kTokenDTypes;
  claims->num_cache_dtypes = kDTypes.size();
  claims->head_dims = &kHeadDims;
  claims->group_sizes = &kGroupSizes;
  claims->block_sizes = &kBlockSizes;
  claims->num_head_dims = claims->num_group_sizes = claims->num_block_sizes = 1;
  claims->arithmetic.struct_size = sizeof(claims->arithmetic);
  claims->arithmetic.arithmetic_class = ATTEST_ARITHMETIC_DEFAULT;
  return ATTEST_OK;
}

attest_status_t Supports(void* /*self*/, const attest_problem_t* problem, attest_error_t* error) {
  return Guarded(error, [&] { return CheckProblem(*problem); });
}

attest_status_t Forward(void* self, const attest_problem_t* problem,
                        const attest_forward_args_t* args, attest_error_t* error) {
  return Guarded(error, [&]() -> Answer {
    if (Answer answer = CheckProblem(*problem); !answer.ok()) return answer;
    if (Answer answer = CheckArguments(*problem, *args); !answer.ok()) return answer;
    static_cast<Engine*>(self)->Forward(*problem, *args);
    return {};
  });
}

attest_status_t WriteCache(void* /*self*/, const attest_problem_t* problem,
                           const attest_write_kv_args_t* args, attest_error_t* error) {
  return Guarded(error, [&]() -> Answer {
    if (Answer answer = CheckProblem(*problem); !answer.ok()) return answer;
    if (Answer answer = CheckWriteKv(*problem, *args); !answer.ok()) return answer;
    WriteKv(*problem, *args);
    return {};
  });
}

attest_status_t MergeStates(void* /*self*/, const attest_problem_t* problem,
                            const attest_merge_args_t* args, attest_error_t* error) {
  return Guarded(error, [&]() -> Answer {
    if (Answer answer = CheckProblem(*problem); !answer.ok()) return answer;
    if (Answer answer = CheckMerge(*problem, *args); !answer.ok()) return answer;
    Merge(*problem, *args);
    return {};
  });
}

Answer CheckCall(const attest_problem_t& problem, const attest_forward_args_t& args) {
  if (Answer answer = CheckProblem(problem); !answer.ok()) return answer;
  return CheckArguments(problem, args);
}

Graph& GraphOf(attest_graph_t* graph) { return *reinterpret_cast<Graph*>(graph); }

attest_status_t GraphCapture(void* self, const attest_problem_t* maximum,
                             const attest_forward_args_t* args, attest_graph_t** out_graph,
                             attest_error_t* error) {
  return Guarded(error, [&]() -> Answer {
    if (Answer answer = CheckCall(*maximum, *args); !answer.ok()) return answer;
    static_cast<Engine*>(self)->Reserve(maximum->head_dim_qk, maximum->head_dim_v);
    *out_graph = reinterpret_cast<attest_graph_t*>(new Graph(*maximum, *args));
    return {};
  });
}

attest_status_t GraphUpdate(void* /*self*/, attest_graph_t* graph, const attest_problem_t* step,
                            const attest_forward_args_t* args, attest_error_t* error) {
  return Guarded(error, [&]() -> Answer {
    if (Answer answer = CheckCall(*step, *args); !answer.ok()) return answer;
    return GraphOf(graph).Update(*step, *args);
  });
}

attest_status_t GraphReplay(void* self, attest_graph_t* graph, attest_error_t* error) {
  return Guarded(error, [&]() -> Answer {
    GraphOf(graph).Replay(*static_cast<Engine*>(self));
    return {};
  });
}

attest_status_t GraphInspect(void* /*self*/, attest_graph_t* graph, std::int32_t index,
                             attest_persistent_view_t* out_view, attest_error_t* error) {
  return Guarded(error, [&] { return GraphOf(graph).Inspect(index, *out_view); });
}

attest_status_t GraphDestroy(void* /*self*/, attest_graph_t* graph, attest_error_t* /*error*/) {
  delete &GraphOf(graph);
  return ATTEST_OK;
}

attest_status_t Copy(void* /*self*/, const attest_tensor_t* buffer, const attest_tensor_t* source,
                     attest_tensor_t* view, attest_error_t* error) {
  return Guarded(error, [&] { return CopyToPersistent(*buffer, *source, *view); });
}

// Every call returns when all is written.
attest_status_t Synchronize(void* /*self*/, attest_error_t* /*error*/) { return ATTEST_OK; }

void Close(void* self) { delete static_cast<Engine*>(self); }

// The number of threads that "threads=N" asks for; one for each core without options. nullopt: not
// understood.
std::optional<int> ThreadsOf(std::string_view options) {
  constexpr std::string_view kKey = "threads=";
  constexpr int kMost = 1024;
  if (options.empty()) {
    return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMost);
  }
  if (!options.starts_with(kKey)) return std::nullopt;
  int threads = 0;
  const char* end = options.data() + options.size();
  const auto [rest, fault] = std::from_chars(options.data() + kKey.size(), end, threads);
  if (fault != std::errc{} || rest != end || threads < 1 || threads > kMost) return std::nullopt;
  return threads;
}

Answer Open(std::string_view selector, std::string_view options, attest_backend_t& backend) {
  if (!selector.empty()) return Invalid("selector", std::string(selector), "there is only one");
  const std::optional<int> threads = ThreadsOf(options);
  if (!threads) return Invalid("options", std::string(options), "not threads=N, 1 <= N <= 1024");
  auto* engine = new Engine(*threads);
  backend = {};
  backend.struct_size = sizeof(backend);
  backend.abi_version = ATTEST_ABI_VERSION;
  backend.self = engine;
  backend.close = Close;
  backend.claims = FillClaims;
  backend.supports = Supports;
  backend.forward = Forward;
  backend.synchronize = Synchronize;
  backend.write_kv = WriteCache;
  backend.merge = MergeStates;
  backend.graph_capture = GraphCapture;
  backend.graph_update = GraphUpdate;
  backend.graph_replay = GraphReplay;
  backend.graph_inspect = GraphInspect;
  backend.graph_destroy = GraphDestroy;
  backend.copy_to_persistent = Copy;
  return {};
}

}  // namespace
}  // namespace attest::cpu

attest_status_t attest_backend_open(uint32_t abi_version, const char* selector, const char* options,
                                    attest_backend_t* backend, attest_error_t* error) {
  if (abi_version != ATTEST_ABI_VERSION || backend->struct_size < sizeof(*backend)) {
    return attest::cpu::Report(error, ATTEST_ABI_MISMATCH, "abi_version: not 0.1");
  }
  return attest::cpu::Guarded(error, [&] {
    return attest::cpu::Open(selector == nullptr ? "" : selector, options == nullptr ? "" : options,
                             *backend);
  });
}
