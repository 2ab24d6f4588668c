// SPDX-License-Identifier: Apache-2.0
#include "conformance/bench/backend_bench.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "conformance/bench/tensors.h"
#include "conformance/run/backend_table.h"

namespace attest {
namespace {

constexpr int kCallsOfARun = 10;  // on a device
constexpr int kTensorSets = 4;    // on a device

// What one call needs, and where its answer goes.
struct Call {
  Problem problem;
  BenchTensors tensors;
  std::vector<std::byte> out;
  TensorView out_view;
  std::vector<void*> on_device;  // its allocations there
};

// The ABI's pointers are not const; inputs are read only.
attest_tensor_t ToAbi(const TensorView& view, attest_device_t device) {
  return {.data = const_cast<std::byte*>(view.data),
          .device = device,
          .ndim = static_cast<std::int32_t>(view.shape.size()),
          .dtype = ToAbi(view.dtype),
          .shape = const_cast<std::int64_t*>(view.shape.data()),
          .strides = const_cast<std::int64_t*>(view.strides.data()),
          .byte_offset = 0};
}

std::shared_ptr<Call> MakeCall(const CallShape& shape, std::uint64_t seed) {
  auto call = std::make_shared<Call>();
  call->problem =
      BenchProblem(shape.dtype, shape.causal ? Causality::kCausal : Causality::kNonCausal,
                   shape.q_len, shape.seq_len, shape.head_dim);
  call->problem.num_q_heads = shape.heads;
  call->problem.num_kv_heads = shape.kv_heads;
  call->problem.requests.resize(static_cast<std::size_t>(shape.requests),
                                call->problem.requests.front());
  call->problem.lse = false;
  call->tensors = MakeBenchTensors(call->problem, seed);
  TensorView& out = call->out_view;
  out = call->tensors.views.query;
  call->out.resize(call->tensors.query.size());
  out.data = call->out.data();
  return call;
}

// The tensors of a call to the memory of the device.
Status MoveToDevice(BackendTable& backend, Call& call) {
  AttentionTensors& views = call.tensors.views;
  const auto move = [&](TensorView& view, std::size_t bytes) -> Status {
    void* device = nullptr;
    BackendAnswer answer = backend.Allocate(bytes, device);
    if (answer.ok()) call.on_device.push_back(device);
    if (answer.ok()) answer = backend.CopyToDevice(device, view.data, bytes);
    if (!answer.ok()) return EnvironmentError(fmt::format("device memory: {}", answer.message));
    view.data = static_cast<const std::byte*>(device);
    return {};
  };
  for (const auto& [view, bytes] :
       {std::pair{&views.query, call.tensors.query.size()},
        std::pair{&views.key_cache, call.tensors.key_cache.size()},
        std::pair{&views.value_cache, call.tensors.value_cache.size()},
        std::pair{&views.query_start_loc, 4 * call.tensors.query_start_loc.size()},
        std::pair{&views.seq_lens, 4 * call.tensors.seq_lens.size()},
        std::pair{&views.block_table, 4 * call.tensors.block_table.size()},
        std::pair{&call.out_view, call.out.size()}}) {
    if (Status status = move(*view, bytes); !status.ok()) return status;
  }
  for (std::vector<std::byte>* copied :
       {&call.tensors.query, &call.tensors.key_cache, &call.tensors.value_cache, &call.out}) {
    std::vector<std::byte>().swap(*copied);  // the sets of a decode step are gigabytes
  }
  return {};
}

Status Enqueue(BackendTable& backend, Call& call) {
  const AttentionTensors& views = call.tensors.views;
  const attest_device_t device =
      backend.on_device() ? attest_device_t{} : attest_device_t{ATTEST_DEVICE_CPU, 0};
  attest_forward_args_t args = {};
  args.struct_size = sizeof(args);
  args.query = ToAbi(views.query, device);
  args.key_cache = ToAbi(views.key_cache, device);
  args.value_cache = ToAbi(views.value_cache, device);
  args.query_start_loc = ToAbi(views.query_start_loc, device);
  args.seq_lens = ToAbi(views.seq_lens, device);
  args.block_table = ToAbi(views.block_table, device);
  args.out = ToAbi(call.out_view, device);
  args.query_start_loc_cpu = call.tensors.query_start_loc.data();
  args.seq_lens_cpu = call.tensors.seq_lens.data();
  attest_problem_t problem = ToAbi(call.problem);
  problem.num_blocks = views.key_cache.shape[0];
  problem.block_table_width = views.block_table.shape[1];
  if (const BackendAnswer answer = backend.Forward(problem, args); !answer.ok()) {
    return BadInput(fmt::format("the backend does not do this call: {}", answer.message));
  }
  return {};
}

Status Synchronize(BackendTable& backend) {
  const BackendAnswer answer = backend.Synchronize();
  return answer.ok() ? Status() : BadInput(fmt::format("synchronize: {}", answer.message));
}

Result<Workload> HostWorkload(const std::shared_ptr<BackendTable>& backend,
                              const CallShape& shape) {
  const std::shared_ptr<Call> call = MakeCall(shape, 1);
  return Workload{
      .name = shape.name, .flops = 2.0 * MultiplyAdds(call->problem), .run = [backend, call] {
        if (Status status = Enqueue(*backend, *call); !status.ok()) return status;
        return Synchronize(*backend);
      }};
}

using Calls = std::vector<std::shared_ptr<Call>>;

// Adds its calls to `placed`, whose memory the caller releases.
Result<Workload> DeviceWorkload(const std::shared_ptr<BackendTable>& backend,
                                const CallShape& shape, Calls& placed) {
  Calls calls;
  for (std::uint64_t set = 1; set <= kTensorSets; ++set) {
    calls.push_back(MakeCall(shape, set));
    placed.push_back(calls.back());
    if (Status status = MoveToDevice(*backend, *calls.back()); !status.ok()) return status;
  }
  const double flops = 2.0 * MultiplyAdds(calls.front()->problem);
  return Workload{.name = shape.name, .flops = flops, .run = [backend, calls] {
                    for (int n = 0; n < kCallsOfARun; ++n) {
                      Status status = Enqueue(*backend, *calls[n % kTensorSets]);
                      if (!status.ok()) return status;
                    }
                    return Synchronize(*backend);
                  }};
}

Result<std::vector<Timing>> TimeShapes(const std::shared_ptr<BackendTable>& backend,
                                       const std::vector<CallShape>& shapes,
                                       const BackendBenchOptions& options, Calls& placed) {
  const bool on_device = backend->on_device();
  std::vector<Workload> workloads;
  for (const CallShape& shape : shapes) {
    Result<Workload> workload =
        on_device ? DeviceWorkload(backend, shape, placed) : HostWorkload(backend, shape);
    if (!workload.ok()) return workload.status();
    workloads.push_back(*std::move(workload));
  }
  if (!on_device) return Measure(workloads, options.repetitions, options.min_seconds);
  Result<std::vector<Timing>> timings =
      Measure(workloads, options.repetitions, options.min_seconds / 10);
  if (!timings.ok()) return timings;
  for (Timing& timing : *timings) {
    timing.median_s /= kCallsOfARun;
    timing.best_s /= kCallsOfARun;
    timing.median_cpu_s /= kCallsOfARun;
  }
  return timings;
}

OpenFailure Open(BackendTable& backend, const BackendBenchOptions& options) {
  OpenFailure failure = backend.Open(options.library, options.selector, options.options);
  if (failure.failed() || backend.on_device()) return failure;
  backend.Close();
  const std::string threads = fmt::format("threads={}", options.threads);
  return backend.Open(options.library, options.selector,
                      options.options.empty() ? threads : options.options + "," + threads);
}

std::string DeviceNameOf(BackendTable& backend) {
  attest_claims_t claims = {};
  claims.struct_size = sizeof(claims);
  const BackendAnswer answer = backend.ReadClaims(claims);
  return answer.ok() && claims.device_name != nullptr ? claims.device_name : "device";
}

}  // namespace

std::vector<CallShape> CallShapes(bool quick) {
  const std::int64_t unit = quick ? 128 : 1024;
  return {
      {.name = "prefill 1024", .q_len = unit, .seq_len = unit},
      {.name = "prefill 2048", .q_len = 2 * unit, .seq_len = 2 * unit},
      {.name = "prefill 2048, causal", .q_len = 2 * unit, .seq_len = 2 * unit, .causal = true},
      {.name = "prefill 2048, head_dim 64", .q_len = 2 * unit, .seq_len = 2 * unit, .head_dim = 64},
      {.name = "decode 8192", .heads = 32, .kv_heads = 32, .q_len = 1, .seq_len = 8 * unit}};
}

std::vector<CallShape> DeviceCallShapes(bool quick) {
  const std::int64_t unit = quick ? 8 : 1024;
  const int crowd = quick ? 2 : 64;
  std::vector<CallShape> shapes = {
      {.name = "prefill 4096", .q_len = 4 * unit, .seq_len = 4 * unit},
      {.name = "prefill 4096, causal", .q_len = 4 * unit, .seq_len = 4 * unit, .causal = true},
      {.name = "decode 64 x 8192", .requests = crowd, .q_len = 1, .seq_len = 8 * unit},
      {.name = "DFlash 64 x 16 of 2048", .requests = crowd, .q_len = 16, .seq_len = 2 * unit}};
  for (CallShape& shape : shapes) {
    shape.dtype = DType::kBFloat16;
    shape.heads = 32;
  }
  return shapes;
}

Result<BackendBenchReport> BenchBackend(const BackendBenchOptions& options) {
  auto backend = std::make_shared<BackendTable>();
  const OpenFailure failure = Open(*backend, options);
  if (failure.failed()) {
    return EnvironmentError(
        fmt::format("{}: {} {}", options.library, failure.word, failure.message));
  }
  const bool on_device = backend->on_device();
  BackendBenchReport report{
      .host = DescribeHost(),
      .device = on_device ? DeviceNameOf(*backend) : "",
      .threads = options.threads,
      .shapes = on_device ? DeviceCallShapes(options.quick) : CallShapes(options.quick),
      .timings = {}};
  Calls placed;
  Result<std::vector<Timing>> timings = TimeShapes(backend, report.shapes, options, placed);
  for (const std::shared_ptr<Call>& call : placed) {
    for (void* const pointer : call->on_device) (void)backend->Release(pointer);
  }
  backend->Close();
  if (!timings.ok()) return timings.status();
  report.timings = *std::move(timings);
  return report;
}

std::string Describe(const BackendBenchReport& report) {
  const std::string where = report.device.empty()
                                ? fmt::format("{}, {} threads", report.host.cpu, report.threads)
                                : report.device;
  std::string text = fmt::format("{}, {}\n\n{:<28} {:>10} {:>10}\n", where, report.host.date,
                                 "call", "median s", "GFLOP/s");
  for (const Timing& timing : report.timings) {
    text += fmt::format("{:<28} {:>10.5f} {:>10.2f}\n", timing.name, timing.median_s,
                        timing.flops / timing.median_s * 1e-9);
  }
  return text;
}

std::string ToJsonText(const BackendBenchReport& report) {
  nlohmann::ordered_json json;
  json["machine"] = ToJson(report.host);
  if (report.device.empty()) {
    json["threads"] = report.threads;
  } else {
    json["device"] = report.device;
  }
  json["calls"] = nlohmann::ordered_json::array();
  for (std::size_t n = 0; n < report.shapes.size(); ++n) {
    const CallShape& shape = report.shapes[n];
    json["calls"].push_back({{"name", shape.name},
                             {"dtype", std::string(Name(shape.dtype))},
                             {"requests", shape.requests},
                             {"heads", shape.heads},
                             {"kv_heads", shape.kv_heads},
                             {"q_len", shape.q_len},
                             {"seq_len", shape.seq_len},
                             {"head_dim", shape.head_dim},
                             {"causal", shape.causal},
                             {"median_s", report.timings[n].median_s},
                             {"best_s", report.timings[n].best_s}});
  }
  return json.dump(2) + "\n";
}

}  // namespace attest
