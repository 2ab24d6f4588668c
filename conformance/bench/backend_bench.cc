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

// What one call needs, and where its answer goes.
struct Call {
  Problem problem;
  BenchTensors tensors;
  std::vector<float> out;
  std::vector<std::int64_t> out_shape;
  std::vector<std::int64_t> out_strides;
};

// The ABI's pointers are not const; inputs are read only.
attest_tensor_t ToAbi(const TensorView& view) {
  return {.data = const_cast<std::byte*>(view.data),
          .device = {.device_type = ATTEST_DEVICE_CPU, .device_id = 0},
          .ndim = static_cast<std::int32_t>(view.shape.size()),
          .dtype = ToAbi(view.dtype),
          .shape = const_cast<std::int64_t*>(view.shape.data()),
          .strides = const_cast<std::int64_t*>(view.strides.data()),
          .byte_offset = 0};
}

std::shared_ptr<Call> MakeCall(const CallShape& shape) {
  auto call = std::make_shared<Call>();
  call->problem =
      BenchProblem(DType::kFloat32, shape.causal ? Causality::kCausal : Causality::kNonCausal,
                   shape.q_len, shape.seq_len, shape.head_dim);
  call->problem.num_q_heads = call->problem.num_kv_heads = shape.heads;
  call->problem.lse = false;
  call->tensors = MakeBenchTensors(call->problem);
  call->out_shape = {shape.q_len, shape.heads, shape.head_dim};
  call->out_strides = DenseStrides(call->out_shape);
  call->out.resize(static_cast<std::size_t>(shape.q_len * shape.heads * shape.head_dim));
  return call;
}

Status Run(BackendTable& backend, Call& call) {
  const AttentionTensors& views = call.tensors.views;
  attest_forward_args_t args = {};
  args.struct_size = sizeof(args);
  args.query = ToAbi(views.query);
  args.key_cache = ToAbi(views.key_cache);
  args.value_cache = ToAbi(views.value_cache);
  args.query_start_loc = ToAbi(views.query_start_loc);
  args.seq_lens = ToAbi(views.seq_lens);
  args.block_table = ToAbi(views.block_table);
  args.out = {.data = call.out.data(),
              .device = {.device_type = ATTEST_DEVICE_CPU, .device_id = 0},
              .ndim = 3,
              .dtype = ToAbi(DType::kFloat32),
              .shape = call.out_shape.data(),
              .strides = call.out_strides.data(),
              .byte_offset = 0};
  args.query_start_loc_cpu = call.tensors.query_start_loc.data();
  args.seq_lens_cpu = call.tensors.seq_lens.data();
  attest_problem_t problem = ToAbi(call.problem);
  problem.num_blocks = views.key_cache.shape[0];
  problem.block_table_width = views.block_table.shape[1];
  if (const BackendAnswer answer = backend.Forward(problem, args); !answer.ok()) {
    return BadInput(fmt::format("the backend does not do this call: {}", answer.message));
  }
  if (const BackendAnswer answer = backend.Synchronize(); !answer.ok()) {
    return BadInput(fmt::format("synchronize: {}", answer.message));
  }
  return {};
}

}  // namespace

std::vector<CallShape> CallShapes(bool quick) {
  const std::int64_t unit = quick ? 128 : 1024;
  return {
      {.name = "prefill 1024", .q_len = unit, .seq_len = unit},
      {.name = "prefill 2048", .q_len = 2 * unit, .seq_len = 2 * unit},
      {.name = "prefill 2048, causal", .q_len = 2 * unit, .seq_len = 2 * unit, .causal = true},
      {.name = "prefill 2048, head_dim 64", .q_len = 2 * unit, .seq_len = 2 * unit, .head_dim = 64},
      {.name = "decode 8192", .heads = 32, .q_len = 1, .seq_len = 8 * unit}};
}

Result<BackendBenchReport> BenchBackend(const BackendBenchOptions& options) {
  auto backend = std::make_shared<BackendTable>();
  const std::string threads = fmt::format("threads={}", options.threads);
  const OpenFailure failure =
      backend->Open(options.library, options.selector,
                    options.options.empty() ? threads : options.options + "," + threads);
  if (failure.failed()) {
    return EnvironmentError(
        fmt::format("{}: {} {}", options.library, failure.word, failure.message));
  }
  if (backend->on_device()) {
    return EnvironmentError(
        fmt::format("{}: works on a device; only calls on host memory are timed", options.library));
  }
  BackendBenchReport report{.host = DescribeHost(),
                            .threads = options.threads,
                            .shapes = CallShapes(options.quick),
                            .timings = {}};
  std::vector<Workload> workloads;
  for (const CallShape& shape : report.shapes) {
    const std::shared_ptr<Call> call = MakeCall(shape);
    workloads.push_back({.name = shape.name,
                         .flops = 2.0 * MultiplyAdds(call->problem),
                         .run = [backend, call] { return Run(*backend, *call); }});
  }
  Result<std::vector<Timing>> timings =
      Measure(workloads, options.repetitions, options.min_seconds);
  backend->Close();
  if (!timings.ok()) return timings.status();
  report.timings = *std::move(timings);
  return report;
}

std::string Describe(const BackendBenchReport& report) {
  std::string text = fmt::format("{}, {} threads, {}\n\n{:<28} {:>10} {:>10}\n", report.host.cpu,
                                 report.threads, report.host.date, "call", "median s", "GFLOP/s");
  for (const Timing& timing : report.timings) {
    text += fmt::format("{:<28} {:>10.5f} {:>10.2f}\n", timing.name, timing.median_s,
                        timing.flops / timing.median_s * 1e-9);
  }
  return text;
}

std::string ToJsonText(const BackendBenchReport& report) {
  nlohmann::ordered_json json;
  json["machine"] = ToJson(report.host);
  json["threads"] = report.threads;
  json["calls"] = nlohmann::ordered_json::array();
  for (std::size_t n = 0; n < report.shapes.size(); ++n) {
    const CallShape& shape = report.shapes[n];
    json["calls"].push_back({{"name", shape.name},
                             {"heads", shape.heads},
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
