// SPDX-License-Identifier: Apache-2.0
//
// libattest_mutant.so: the selector names the mutant.
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "conformance/mutants/attention.h"
#include "conformance/mutants/checks.h"
#include "conformance/mutants/graph.h"
#include "conformance/mutants/remember.h"

namespace attest {
namespace {

constexpr std::array<attest_dtype_t, 3> kWide = {
    {{ATTEST_FLOAT, 32, 1}, {ATTEST_FLOAT, 16, 1}, {ATTEST_BFLOAT, 16, 1}}};
constexpr std::array<attest_dtype_t, 7> kCached = {{{ATTEST_FLOAT, 32, 1},
                                                    {ATTEST_FLOAT, 16, 1},
                                                    {ATTEST_BFLOAT, 16, 1},
                                                    {ATTEST_FLOAT8_E4M3FN, 8, 1},
                                                    {ATTEST_FLOAT8_E4M3FNUZ, 8, 1},
                                                    {ATTEST_FLOAT8_E5M2, 8, 1},
                                                    {ATTEST_INT, 8, 1}}};
constexpr attest_range_t kHeadDims = {1, 1024, 1};
constexpr attest_range_t kGroupSizes = {1, 128, 1};
constexpr attest_range_t kBlockSizes = {1, 1024, 1};
// Everything.
constexpr std::uint64_t kFeatures = (ATTEST_CLAIM_COPY_TO_PERSISTENT << 1) - 1;

struct Instance {
  const Mutant* mutant;
  CallMemories memories = {};

  bool ignores_softcap() const { return mutant->hooks.ignores_softcap_unclaimed; }
  bool lacks_softcap() const {
    return ignores_softcap() || mutant->hooks.clears_output_and_refuses_softcap;
  }
};

Instance& InstanceOf(void* self) { return *static_cast<Instance*>(self); }

attest_status_t Report(attest_error_t* error, attest_status_t status, std::string_view text) {
  if (error != nullptr && status != ATTEST_OK) {
    std::snprintf(error->message, sizeof(error->message), "%.*s", static_cast<int>(text.size()),
                  text.data());
  }
  return status;
}

attest_status_t Report(attest_error_t* error, const Finding& finding) {
  return Report(error, finding.status, finding.text);
}

// Nothing is thrown across the boundary.
template <typename Work>
attest_status_t Guarded(attest_error_t* error, const Work& work) {
  try {
    return Report(error, work());
  } catch (const std::exception& exception) {
    return Report(error, ATTEST_INTERNAL, exception.what());
  }
}

attest_status_t FillClaims(void* self, attest_claims_t* claims, attest_error_t* error) {
  const std::uint32_t size = claims->struct_size;
  if (size < sizeof(*claims)) return Report(error, ATTEST_INVALID_ARGUMENT, "claims.struct_size");
  const Instance& instance = InstanceOf(self);
  *claims = {};
  claims->struct_size = size;
  claims->arithmetic.struct_size = sizeof(claims->arithmetic);
  claims->name = instance.mutant->id.data();  // a literal, so it ends with a zero
  claims->version = "0.1";
  claims->vendor = "attest";
  claims->device_name = "one core";
  claims->features = kFeatures;
  claims->graph_level = ATTEST_GRAPH_ALWAYS;
  if (instance.lacks_softcap()) claims->features &= ~ATTEST_CLAIM_SOFTCAP;
  claims->query_dtypes = claims->output_dtypes = kWide.data();
  claims->num_query_dtypes = claims->num_output_dtypes = kWide.size();
  claims->cache_dtypes = kCached.data();
  claims->num_cache_dtypes = kCached.size();
  claims->head_dims = &kHeadDims;
  claims->group_sizes = &kGroupSizes;
  claims->block_sizes = &kBlockSizes;
  claims->num_head_dims = claims->num_group_sizes = claims->num_block_sizes = 1;
  return ATTEST_OK;
}

// Unknown enum values and flag bits become 0.
attest_problem_t WithDefaults(attest_problem_t problem) {
  const auto known = [](std::int32_t& value, std::int32_t last) {
    if (value < 0 || value > last) value = 0;
  };
  known(problem.attention_type, ATTEST_ENCODER_DECODER);
  known(problem.causality, ATTEST_CAUSALITY_PER_REQUEST);
  known(problem.kv_scale_kind, ATTEST_KV_SCALE_PER_TOKEN_HEAD);
  known(problem.kv_layout, ATTEST_KV_X_SPLIT);
  known(problem.custom_mask_kind, ATTEST_MASK_ADDITIVE);
  problem.flags &= (ATTEST_FLAG_VALUE_IS_KEY_PREFIX << 1) - 1;
  return problem;
}

// The problem as the mutant takes it.
attest_problem_t Taken(const Instance& instance, const attest_problem_t& given) {
  attest_problem_t problem = given;
  if (instance.mutant->hooks.defaults_unknown_values) problem = WithDefaults(problem);
  if (instance.ignores_softcap() && problem.softcap > 0) problem.softcap = 0;
  return problem;
}

Finding CheckProblem(const Instance& instance, const attest_problem_t& problem) {
  Finding finding = CheckMutantProblem(problem);
  const Hooks& hooks = instance.mutant->hooks;
  const bool refuses =
      hooks.claims_softcap_and_refuses_it || hooks.clears_output_and_refuses_softcap;
  if (finding.status == ATTEST_INVALID_ARGUMENT && hooks.accepts_contradictions) return {};
  if (finding.status == ATTEST_OK && refuses && problem.softcap > 0) {
    return {ATTEST_REFUSED, "softcap: not offered"};
  }
  return finding;
}

attest_status_t Supports(void* self, const attest_problem_t* problem, attest_error_t* error) {
  return Guarded(error, [&] {
    const Instance& instance = InstanceOf(self);
    return CheckProblem(instance, Taken(instance, *problem));
  });
}

Finding Forward(Instance& instance, const attest_problem_t& given,
                const attest_forward_args_t& args) {
  const attest_problem_t problem = Taken(instance, given);
  const Hooks& hooks = instance.mutant->hooks;
  // What contradicts itself is computed as nothing.
  if (hooks.accepts_contradictions && CheckMutantProblem(problem).status != ATTEST_OK) return {};
  if (Finding finding = CheckProblem(instance, problem); finding.status != ATTEST_OK) {
    if (hooks.clears_output_and_refuses_softcap && args.out.data != nullptr) {
      Encode(FormatOfAbi(args.out.dtype), 0.0, AtOffset(args.out, 0));
    }
    return finding;
  }
  if (Finding finding = CheckMutantArguments(problem, args); finding.status != ATTEST_OK) {
    return finding;
  }
  if (instance.mutant->hooks.refuses_after_yes && problem.num_actual_tokens % 2 == 1) {
    return {ATTEST_REFUSED, "num_actual_tokens: odd numbers are not offered after all"};
  }
  const Memory nothing;
  const Memory& memory = hooks.remembers ? instance.memories.Before(problem) : nothing;
  const Call call{problem, args, hooks, memory};
  const Format type = FormatOfAbi(problem.output_dtype);
  ScalarForward(call, [&](Output output, std::int64_t offset, double value) {
    if (output == Output::kOut) {
      Encode(type, value, AtOffset(args.out, offset));
    } else {
      Encode(Format::kFloat32, value, AtOffset(args.lse, offset));
    }
  });
  if (hooks.remembers) instance.memories.After(problem, args);
  if (hooks.changes_lengths && problem.num_requests > 0) {
    *reinterpret_cast<std::int32_t*>(AtOffset(args.seq_lens, 0)) += 1;
  }
  return {};
}

attest_status_t ForwardEntry(void* self, const attest_problem_t* problem,
                             const attest_forward_args_t* args, attest_error_t* error) {
  return Guarded(error, [&] { return Forward(InstanceOf(self), *problem, *args); });
}

attest_status_t WriteKv(void* self, const attest_problem_t* problem,
                        const attest_write_kv_args_t* args, attest_error_t* error) {
  return Guarded(error, [&]() -> Finding {
    if (Finding finding = CheckMutantProblem(*problem); finding.status != ATTEST_OK) {
      return finding;
    }
    ScalarWriteKv(*problem, *args, InstanceOf(self).mutant->hooks);
    return {};
  });
}

attest_status_t Merge(void* self, const attest_problem_t* /*problem*/,
                      const attest_merge_args_t* args, attest_error_t* error) {
  return Guarded(error, [&]() -> Finding {
    ScalarMerge(*args, InstanceOf(self).mutant->hooks);
    return {};
  });
}

attest_status_t CopyToPersistent(void* self, const attest_tensor_t* buffer,
                                 const attest_tensor_t* source, attest_tensor_t* view,
                                 attest_error_t* error) {
  return Guarded(error, [&]() -> Finding {
    const CopyFault fault = InstanceOf(self).mutant->hooks.copy;
    std::string why = MutantCopyToPersistent(fault, *buffer, *source, *view);
    if (why.empty()) return {};
    return {ATTEST_INVALID_ARGUMENT, std::move(why)};
  });
}

MutantGraph& GraphOf(attest_graph_t* graph) { return *reinterpret_cast<MutantGraph*>(graph); }

Finding CheckCall(const Instance& instance, const attest_problem_t& problem,
                  const attest_forward_args_t& args) {
  if (Finding finding = CheckProblem(instance, problem); finding.status != ATTEST_OK) {
    return finding;
  }
  return CheckMutantArguments(problem, args);
}

attest_status_t GraphCapture(void* self, const attest_problem_t* maximum,
                             const attest_forward_args_t* args, attest_graph_t** out_graph,
                             attest_error_t* error) {
  return Guarded(error, [&]() -> Finding {
    const Instance& instance = InstanceOf(self);
    if (Finding finding = CheckCall(instance, *maximum, *args); finding.status != ATTEST_OK) {
      return finding;
    }
    *out_graph =
        reinterpret_cast<attest_graph_t*>(new MutantGraph(*instance.mutant, *maximum, *args));
    return {};
  });
}

attest_status_t GraphUpdate(void* self, attest_graph_t* graph, const attest_problem_t* step,
                            const attest_forward_args_t* args, attest_error_t* error) {
  return Guarded(error, [&]() -> Finding {
    if (Finding finding = CheckCall(InstanceOf(self), *step, *args); finding.status != ATTEST_OK) {
      return finding;
    }
    if (std::string why = GraphOf(graph).Misfit(*step); !why.empty()) {
      return {ATTEST_INVALID_ARGUMENT, std::move(why)};
    }
    GraphOf(graph).Update(*step, *args);
    return {};
  });
}

attest_status_t GraphReplay(void* /*self*/, attest_graph_t* graph, attest_error_t* error) {
  return Guarded(error, [&]() -> Finding {
    GraphOf(graph).Replay();
    return {};
  });
}

attest_status_t GraphInspect(void* /*self*/, attest_graph_t* graph, std::int32_t index,
                             attest_persistent_view_t* out_view, attest_error_t* error) {
  const PersistentBuffer* buffer = GraphOf(graph).Inspect(index);
  if (buffer == nullptr) return Report(error, ATTEST_INVALID_ARGUMENT, "index: past the last view");
  out_view->name = buffer->name;
  out_view->view = buffer->View();
  out_view->buffer = buffer->Whole();
  out_view->buffer_bytes = buffer->bytes.size();
  return ATTEST_OK;
}

attest_status_t GraphDestroy(void* /*self*/, attest_graph_t* graph, attest_error_t* /*error*/) {
  delete &GraphOf(graph);
  return ATTEST_OK;
}

attest_status_t Synchronize(void* /*self*/, attest_error_t* /*error*/) { return ATTEST_OK; }

void Close(void* self) { delete static_cast<Instance*>(self); }

bool OptionsAreKnown(std::string_view options) {
  constexpr std::string_view kThreads = "threads=";
  if (options.empty()) return true;
  if (options.substr(0, kThreads.size()) != kThreads) return false;
  const std::string_view number = options.substr(kThreads.size());
  return !number.empty() && number.find_first_not_of("0123456789") == std::string_view::npos &&
         number.front() != '0';
}

}  // namespace
}  // namespace attest

attest_status_t attest_backend_open(uint32_t abi_version, const char* selector, const char* options,
                                    attest_backend_t* backend, attest_error_t* error) {
  if (abi_version != ATTEST_ABI_VERSION || backend->struct_size < sizeof(*backend)) {
    return attest::Report(error, ATTEST_ABI_MISMATCH, "abi_version: another ABI");
  }
  const attest::Mutant* mutant = attest::FindMutant(selector == nullptr ? "" : selector);
  if (mutant == nullptr) {
    return attest::Report(error, ATTEST_INVALID_ARGUMENT,
                          "selector: no such mutant; 'attest list mutants' names them");
  }
  if (!attest::OptionsAreKnown(options == nullptr ? "" : options)) {
    return attest::Report(error, ATTEST_INVALID_ARGUMENT, "options: only threads=N");
  }
  *backend = {};
  backend->struct_size = sizeof(*backend);
  backend->abi_version = ATTEST_ABI_VERSION;
  backend->self = new attest::Instance{.mutant = mutant};
  backend->close = attest::Close;
  backend->claims = attest::FillClaims;
  backend->supports = attest::Supports;
  backend->forward = attest::ForwardEntry;
  backend->synchronize = attest::Synchronize;
  backend->write_kv = attest::WriteKv;
  backend->merge = attest::Merge;
  backend->copy_to_persistent = attest::CopyToPersistent;
  backend->graph_capture = attest::GraphCapture;
  backend->graph_update = attest::GraphUpdate;
  backend->graph_replay = attest::GraphReplay;
  backend->graph_inspect = attest::GraphInspect;
  backend->graph_destroy = attest::GraphDestroy;
  return ATTEST_OK;
}
