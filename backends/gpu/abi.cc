// SPDX-License-Identifier: Apache-2.0
//
// The table of libattest_cuda.so, libattest_hip.so and libattest_host.so: the selector names a
// family.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "backends/gpu/cache/write_kv.h"
#include "backends/gpu/call.h"
#include "backends/gpu/claims.h"
#include "backends/gpu/device_check.h"
#include "backends/gpu/family.h"
#include "backends/gpu/graph/captured.h"
#include "backends/gpu/graph/persistent_copy.h"
#include "backends/gpu/merge/merge.h"
#include "backends/gpu/options.h"
#include "backends/gpu/problem_check.h"
#include "backends/gpu/runtime.h"
#include "spec/abi/attest.h"

namespace attest::gpu {
namespace {

struct Backend {
  const Family& family;
  std::unique_ptr<Stream> stream;
  ClaimTable claims;
  graph::Mistake graph_mistake = graph::Mistake::kNone;
  void* workspace = nullptr;
  std::size_t workspace_bytes = 0;
};

attest_status_t Report(attest_error_t* error, const Answer& answer) {
  if (error != nullptr && !answer.ok()) {
    std::snprintf(error->message, sizeof(error->message), "%s", answer.text.c_str());
  }
  return answer.status;
}

// Runs `body`, which returns an Answer; what it throws becomes a code.
template <typename Body>
attest_status_t Guarded(attest_error_t* error, const Body& body) {
  try {
    return Report(error, body());
  } catch (const std::bad_alloc&) {
    return Report(error, {ATTEST_OUT_OF_MEMORY, "out of host memory"});
  } catch (const std::exception& exception) {
    return Report(error, {ATTEST_INTERNAL, exception.what()});
  }
}

Backend& BackendOf(void* self) { return *static_cast<Backend*>(self); }

Answer Check(const Backend& backend, const attest_problem_t& problem) {
  if (Answer answer = CheckProblem(problem); !answer.ok()) return answer;
  return backend.claims.Offers(problem);
}

Answer CheckForward(const Backend& backend, const attest_problem_t& problem,
                    const attest_forward_args_t& args) {
  Answer answer = Check(backend, problem);
  return answer.ok() ? CheckCall(problem, args, backend.family.needs_step_keys) : answer;
}

Answer ReserveWorkspace(Backend& backend, std::size_t bytes) {
  if (bytes <= backend.workspace_bytes) return {};
  // A running kernel may still use the old one.
  if (Answer answer = backend.stream->Synchronize(); !answer.ok()) return answer;
  if (Answer answer = backend.stream->Release(std::exchange(backend.workspace, nullptr));
      !answer.ok()) {
    return answer;
  }
  backend.workspace_bytes = 0;
  Answer answer = backend.stream->Allocate(bytes, backend.workspace);
  if (answer.ok()) backend.workspace_bytes = bytes;
  return answer;
}

Answer Run(Backend& backend, const attest_problem_t& problem, const attest_forward_args_t& args) {
  if (Answer answer = CheckForward(backend, problem, args); !answer.ok()) return answer;
  if (problem.num_requests == 0 || problem.num_actual_tokens == 0) return {};
  Step step = StepOf(problem, args, backend.stream->facts());
  if (backend.family.workspace_bytes != nullptr) {
    Answer answer = ReserveWorkspace(backend, backend.family.workspace_bytes(step));
    if (!answer.ok()) return answer;
    step.workspace = static_cast<std::byte*>(backend.workspace);
  }
  return EnqueueAll(*backend.stream, backend.family.plan(step));
}

void Close(void* self) {
  std::unique_ptr<Backend> backend(static_cast<Backend*>(self));
  (void)backend->stream->Synchronize();
  if (backend->workspace != nullptr) (void)backend->stream->Release(backend->workspace);
}

attest_status_t FillClaims(void* self, attest_claims_t* claims, attest_error_t* error) {
  if (claims->struct_size < sizeof(*claims)) {
    return Report(error,
                  Invalid("claims.struct_size", std::to_string(claims->struct_size), "too small"));
  }
  BackendOf(self).claims.Fill(*claims);
  return ATTEST_OK;
}

attest_status_t Supports(void* self, const attest_problem_t* problem, attest_error_t* error) {
  return Guarded(error, [&] { return Check(BackendOf(self), *problem); });
}
attest_status_t Forward(void* self, const attest_problem_t* problem,
                        const attest_forward_args_t* args, attest_error_t* error) {
  return Guarded(error, [&] { return Run(BackendOf(self), *problem, *args); });
}
attest_status_t WriteKv(void* self, const attest_problem_t* problem,
                        const attest_write_kv_args_t* args, attest_error_t* error) {
  return Guarded(error, [&] {
    Backend& backend = BackendOf(self);
    Answer answer = Check(backend, *problem);
    if (answer.ok()) answer = cache::CheckWriteKv(*problem, *args);
    if (!answer.ok()) return answer;
    return EnqueueAll(*backend.stream, cache::WriteKv(cache::WriteKvParamsOf(*problem, *args)));
  });
}
attest_status_t Merge(void* self, const attest_problem_t* problem, const attest_merge_args_t* args,
                      attest_error_t* error) {
  return Guarded(error, [&] {
    Backend& backend = BackendOf(self);
    Answer answer = Check(backend, *problem);
    if (answer.ok()) answer = merge::CheckMerge(*problem, *args);
    if (!answer.ok()) return answer;
    return EnqueueAll(*backend.stream, merge::Merge(merge::MergeParamsOf(*problem, *args)));
  });
}
attest_status_t CopyToPersistent(void* self, const attest_tensor_t* buffer,
                                 const attest_tensor_t* source, attest_tensor_t* view,
                                 attest_error_t* error) {
  return Guarded(error, [&] {
    Answer answer = graph::CheckPersistentCopy(*buffer, *source);
    if (!answer.ok()) return answer;
    answer = EnqueueAll(*BackendOf(self).stream,
                        graph::CopyToPersistent(graph::PersistentCopyParamsOf(*buffer, *source)));
    if (answer.ok()) graph::DescribeView(*buffer, *source, *view);
    return answer;
  });
}

graph::CapturedGraph& GraphOf(attest_graph_t* graph) {
  return *reinterpret_cast<graph::CapturedGraph*>(graph);
}

attest_status_t GraphCapture(void* self, const attest_problem_t* maximum,
                             const attest_forward_args_t* args, attest_graph_t** out_graph,
                             attest_error_t* error) {
  return Guarded(error, [&] {
    Backend& backend = BackendOf(self);
    std::unique_ptr<graph::CapturedGraph> graph;
    Answer answer = CheckForward(backend, *maximum, *args);
    if (answer.ok()) {
      answer = graph::CapturedGraph::Capture(*backend.stream, backend.family, backend.graph_mistake,
                                             *maximum, *args, graph);
    }
    if (answer.ok()) *out_graph = reinterpret_cast<attest_graph_t*>(graph.release());
    return answer;
  });
}
attest_status_t GraphUpdate(void* self, attest_graph_t* graph, const attest_problem_t* step,
                            const attest_forward_args_t* args, attest_error_t* error) {
  return Guarded(error, [&] {
    Answer answer = CheckForward(BackendOf(self), *step, *args);
    return answer.ok() ? GraphOf(graph).Update(*step, *args) : answer;
  });
}
attest_status_t GraphReplay(void* /*self*/, attest_graph_t* graph, attest_error_t* error) {
  return Guarded(error, [&] { return GraphOf(graph).Replay(); });
}
attest_status_t GraphInspect(void* /*self*/, attest_graph_t* graph, std::int32_t index,
                             attest_persistent_view_t* out_view, attest_error_t* error) {
  return Guarded(error, [&] { return GraphOf(graph).Inspect(index, *out_view); });
}
attest_status_t GraphDestroy(void* self, attest_graph_t* graph, attest_error_t* error) {
  return Guarded(error, [&] {
    // A running replay may still use its memory.
    Answer answer = BackendOf(self).stream->Synchronize();
    delete &GraphOf(graph);
    return answer;
  });
}

attest_status_t Synchronize(void* self, attest_error_t* error) {
  return Guarded(error, [&] { return BackendOf(self).stream->Synchronize(); });
}
attest_status_t Allocate(void* self, std::uint64_t bytes, void** pointer, attest_error_t* error) {
  return Guarded(error, [&] { return BackendOf(self).stream->Allocate(bytes, *pointer); });
}
attest_status_t Release(void* self, void* pointer, attest_error_t* error) {
  return Guarded(error, [&] { return BackendOf(self).stream->Release(pointer); });
}
attest_status_t CopyToDevice(void* self, void* device, const void* host, std::uint64_t bytes,
                             attest_error_t* error) {
  return Guarded(error, [&] { return BackendOf(self).stream->CopyToDevice(device, host, bytes); });
}
attest_status_t CopyToHost(void* self, void* host, const void* device, std::uint64_t bytes,
                           attest_error_t* error) {
  return Guarded(error, [&] { return BackendOf(self).stream->CopyToHost(host, device, bytes); });
}

Answer FindFamily(std::string_view selector, const Family*& found) {
  std::string names;
  for (const Family* family : Families()) {
    if (selector == family->name) found = family;
    names += (names.empty() ? "" : ", ") + std::string(family->name);
  }
  if (found != nullptr) return {};
  return Invalid("selector", selector.empty() ? "none" : std::string(selector),
                 "the families are " + names);
}

Answer OpenStream(const Family& family, const DeviceOptions& options,
                  std::unique_ptr<Stream>& stream) {
  Answer answer = Stream::Open(options, stream);
  if (answer.ok()) answer = CheckDevice(family, stream->facts());
  if (answer.status == ATTEST_NO_DEVICE) answer.text = "refused: device: " + answer.text;
  return answer;
}

// "FAMILY" or "FAMILY,key=value,...": what chooses the thread order of a run belongs to the name
// that a report shows. Options of the caller come after those.
Answer Open(std::string_view selector, std::string_view options_text, attest_backend_t& backend) {
  const std::size_t comma = std::min(selector.find(','), selector.size());
  const Family* family = nullptr;
  if (Answer answer = FindFamily(selector.substr(0, comma), family); !answer.ok()) return answer;
  Options options;
  for (const std::string_view text :
       {comma < selector.size() ? selector.substr(comma + 1) : std::string_view(), options_text}) {
    if (Answer answer = ParseOptions(text, options); !answer.ok()) return answer;
  }
  std::unique_ptr<Stream> stream;
  if (Answer answer = OpenStream(*family, options.device, stream); !answer.ok()) return answer;
  const std::string device = stream->facts().name;
  backend = {};
  backend.struct_size = sizeof(backend);
  backend.abi_version = ATTEST_ABI_VERSION;
  backend.self =
      new Backend{*family, std::move(stream), ClaimTable(*family, device), options.graph_mistake};
  backend.close = Close;
  backend.claims = FillClaims;
  backend.supports = Supports;
  backend.forward = Forward;
  backend.synchronize = Synchronize;
  backend.allocate = Allocate;
  backend.release = Release;
  backend.copy_to_device = CopyToDevice;
  backend.copy_to_host = CopyToHost;
  // Members follow the claims: what a family does not claim its table does not offer.
  const auto claims = [family](std::uint64_t feature) { return (family->features & feature) != 0; };
  if (claims(ATTEST_CLAIM_WRITE_KV)) backend.write_kv = WriteKv;
  if (claims(ATTEST_CLAIM_MERGE)) backend.merge = Merge;
  if (claims(ATTEST_CLAIM_COPY_TO_PERSISTENT)) backend.copy_to_persistent = CopyToPersistent;
  backend.graph_capture = GraphCapture;
  backend.graph_update = GraphUpdate;
  backend.graph_replay = GraphReplay;
  backend.graph_inspect = GraphInspect;
  backend.graph_destroy = GraphDestroy;
  return {};
}

}  // namespace
}  // namespace attest::gpu

attest_status_t attest_backend_open(uint32_t abi_version, const char* selector, const char* options,
                                    attest_backend_t* backend, attest_error_t* error) {
  using attest::gpu::Answer;
  if (abi_version != ATTEST_ABI_VERSION || backend->struct_size < sizeof(*backend)) {
    return attest::gpu::Report(error, {ATTEST_ABI_MISMATCH, "abi_version: not 0.1"});
  }
  return attest::gpu::Guarded(error, [&]() -> Answer {
    return attest::gpu::Open(selector == nullptr ? "" : selector, options == nullptr ? "" : options,
                             *backend);
  });
}
