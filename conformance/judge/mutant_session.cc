// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/mutant_session.h"

#include <utility>

#include "conformance/mutants/attention.h"
#include "conformance/run/call_memory.h"

namespace attest {
namespace {

CallResult Answered(attest_status_t status, std::string message = {}) {
  return {.end = CallEnd::kAnswered,
          .status = status,
          .message = std::move(message),
          .output_tail = {}};
}

std::vector<WireTensor> TensorsOnWire(const CallImage& image) {
  std::vector<WireTensor> tensors;
  for (const PlacedTensor& tensor : image.tensors) {
    tensors.push_back({.name = tensor.name,
                       .dtype = tensor.dtype,
                       .shape = tensor.shape,
                       .strides = tensor.strides,
                       .offset = tensor.offset});
  }
  return tensors;
}

}  // namespace

CallResult MutantSession::Supports(const attest_problem_t& /*problem*/) {
  return Answered(ATTEST_OK);
}

CallResult MutantSession::Forward(const attest_problem_t& problem, double /*multiply_adds*/,
                                  CallImage& image) {
  const BoundForward bound(TensorsOnWire(image), HostMemory(image.bytes.data()));
  const Memory nothing;
  const Call call{problem, bound.args(), mutant_.hooks, nothing};
  const Format type = FormatOfAbi(problem.output_dtype);
  ScalarForward(call, [&](Output output, std::int64_t offset, double value) {
    const bool out = output == Output::kOut;
    Encode(out ? type : Format::kFloat32, value,
           AtOffset(out ? bound.args().out : bound.args().lse, offset));
  });
  return Answered(ATTEST_OK);
}

CallResult MutantSession::CopyToPersistent(CallImage& image, std::optional<SeenTensor>& view) {
  std::vector<WireTensor> tensors = TensorsOnWire(image);
  const CallMemory memory = HostMemory(image.bytes.data());
  attest_tensor_t buffer = {};
  attest_tensor_t source = {};
  for (WireTensor& tensor : tensors) {
    (tensor.name == "buffer" ? buffer : source) = Bound(tensor, memory);
  }
  std::vector<std::int64_t> shape(static_cast<std::size_t>(source.ndim) + 1, -1);
  std::vector<std::int64_t> strides = shape;
  attest_tensor_t described = {};
  described.shape = shape.data();
  described.strides = strides.data();
  std::string why = MutantCopyToPersistent(mutant_.hooks.copy, buffer, source, described);
  if (!why.empty()) return Answered(ATTEST_INVALID_ARGUMENT, std::move(why));
  const Result<SeenTensor> seen = SeenTensorOf(described, image.bytes.data());
  if (seen.ok()) view = *seen;
  return Answered(ATTEST_OK);
}

CallResult MutantSession::GraphCapture(const attest_problem_t& maximum, double /*multiply_adds*/,
                                       CallImage& image) {
  held_ = image.bytes;
  const BoundForward bound(TensorsOnWire(image), HostMemory(held_.data()));
  graph_ = std::make_unique<MutantGraph>(mutant_, maximum, bound.args());
  image.bytes = held_;
  return Answered(ATTEST_OK);
}

CallResult MutantSession::GraphUpdate(const attest_problem_t& step, CallImage& image) {
  std::string why = graph_->Misfit(step);
  if (!why.empty()) return Answered(ATTEST_INVALID_ARGUMENT, std::move(why));
  std::copy(image.bytes.begin(), image.bytes.end(), held_.begin());
  const BoundForward bound(TensorsOnWire(image), HostMemory(held_.data()));
  graph_->Update(step, bound.args());
  image.bytes = held_;
  return Answered(ATTEST_OK);
}

CallResult MutantSession::GraphReplay(double /*multiply_adds*/, CallImage& image) {
  std::copy(image.bytes.begin(), image.bytes.end(), held_.begin());
  graph_->Replay();
  image.bytes = held_;
  return Answered(ATTEST_OK);
}

CallResult MutantSession::GraphInspect(int index, SeenView& view) {
  const PersistentBuffer* buffer = graph_->Inspect(index);
  if (buffer == nullptr) return Answered(ATTEST_INVALID_ARGUMENT, "index: past the last view");
  const Result<SeenTensor> of_view = SeenTensorOf(buffer->View(), nullptr);
  const Result<SeenTensor> of_buffer = SeenTensorOf(buffer->Whole(), nullptr);
  if (!of_view.ok() || !of_buffer.ok()) return Answered(ATTEST_INTERNAL, "a view without a shape");
  view = {.name = buffer->name,
          .view = *of_view,
          .buffer = *of_buffer,
          .buffer_bytes = buffer->bytes.size()};
  return Answered(ATTEST_OK);
}

CallResult MutantSession::GraphDestroy() {
  graph_.reset();
  return Answered(ATTEST_OK);
}

}  // namespace attest
