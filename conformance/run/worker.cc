// SPDX-License-Identifier: Apache-2.0
//
// attest-worker: the child that holds a backend. It knows problems and tensors and nothing of what
// is expected. Started by the parent with fd 3 (socket) and fd 4 (image); spec/abi/worker.md.
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "conformance/run/backend_table.h"
#include "conformance/run/protocol.h"
#include "conformance/run/worker_call.h"
#include "conformance/run/worker_graph.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

// ---- The socket

bool ReceiveBytes(char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t got = recv(kSocketFd, data, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    data += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

// nullopt at the end of the conversation, or when what comes is no frame.
std::optional<std::string> Receive() {
  std::string header(kFrameHeaderBytes, '\0');
  if (!ReceiveBytes(header.data(), header.size())) return std::nullopt;
  const std::uint32_t length = *FrameLength(header);
  if (length > kMaxMessageBytes) return std::nullopt;
  std::string body(length, '\0');
  if (!ReceiveBytes(body.data(), body.size())) return std::nullopt;
  return body;
}

bool Send(const Json& answer) {
  const std::string frame = Frame(LineText(answer));
  std::size_t sent = 0;
  while (sent < frame.size()) {
    const ssize_t now = send(kSocketFd, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) return false;
    sent += static_cast<std::size_t>(now);
  }
  return true;
}

// A parent that dies takes a busy worker and its descendants along. `socket` is a duplicate, since
// a backend may close fd 3.
void DieWithTheParent(int socket, const std::atomic<bool>& said_bye) {
  pollfd hangup = {.fd = socket, .events = POLLRDHUP, .revents = 0};
  while (poll(&hangup, 1, -1) < 0 && errno == EINTR) {
  }
  if (said_bye) return;
  if (getpgrp() == getpid()) kill(0, SIGKILL);
  _exit(0);
}

// ---- Answers

Json Failure(std::string_view word, const std::string& message) {
  return {{"status", std::string(word)}, {"message", message}};
}
Json BadRequest(const std::string& message) { return Failure(kBadRequest, message); }

Json AnswerOf(const BackendAnswer& answer) {
  if (answer.threw) return {{"threw", answer.message}};
  Json json = Failure(StatusWord(answer.status), answer.message);
  if (StatusWord(answer.status) == kUnknownStatus) json["code"] = answer.status;
  return json;
}

// ---- Requests

class Worker {
 public:
  // The answer to `request`, without its seq.
  Json Answer(const Json& request);
  bool finished() const { return finished_; }

 private:
  Json Hello(const Json& request);
  Json Supports(const Json& request);
  Json Call(CallKind kind, const Json& request);
  Json Capture(const Json& request);
  Json OfGraph(const std::string& op, const Json& request);
  Json Inspect(const Json& request);
  Json Bye();

  BackendTable backend_;
  DeviceImage device_;
  HeldGraph graph_;
  bool open_ = false;
  bool finished_ = false;
};

Json Worker::Answer(const Json& request) {
  if (!request.contains("op") || !request["op"].is_string()) return BadRequest("op: missing");
  const std::string op = request["op"];
  if (op == "hello") return Hello(request);
  if (op == "bye") return Bye();
  if (!open_) return BadRequest(op + " before hello");
  if (op == "supports") return Supports(request);
  if (const std::optional<CallKind> kind = ParseCallKind(op)) return Call(*kind, request);
  if (op == "graph_capture") return Capture(request);
  for (const char* held : {"graph_update", "graph_replay", "graph_inspect", "graph_destroy"}) {
    if (op == held) return OfGraph(op, request);
  }
  return BadRequest("unknown op " + op);
}

Json Worker::Hello(const Json& request) {
  if (open_) return BadRequest("a second hello");
  if (!request.contains("protocol") || request["protocol"] != kProtocolVersion) {
    return BadRequest(fmt::format("protocol: this worker speaks {}", kProtocolVersion));
  }
  for (const char* name : {"library", "selector", "options"}) {
    if (!request.contains(name) || !request[name].is_string()) {
      return BadRequest(fmt::format("{}: missing", name));
    }
  }
  const OpenFailure failure =
      backend_.Open(request["library"], request["selector"], request["options"]);
  if (failure.threw) return {{"threw", failure.message}};
  if (failure.failed()) return Failure(failure.word, failure.message);
  open_ = true;

  attest_claims_t claims = {};
  if (const BackendAnswer answer = backend_.ReadClaims(claims); !answer.ok()) {
    return AnswerOf(answer);
  }
  Result<Json> json = ClaimsToJson(claims);
  if (!json.ok()) return Failure(kInvalidClaims, json.status().message());
  const std::string contradiction = OfferContradiction(claims, backend_.offers());
  if (!contradiction.empty()) return Failure(kInvalidClaims, contradiction);
  return {{"status", "ok"}, {"protocol", kProtocolVersion}, {"claims", std::move(*json)}};
}

Json Worker::Supports(const Json& request) {
  const Result<attest_problem_t> problem = AbiProblemFromJson(request.value("problem", Json()));
  if (!problem.ok()) return BadRequest(problem.status().message());
  return AnswerOf(backend_.Supports(*problem));
}

// `image_bytes` and the tensors inside of them; bad input where they are not as described.
Result<CallRequest> ReadCall(CallKind kind, const Json& request, std::uint64_t image_bytes) {
  CallRequest call{.kind = kind, .problem = {}, .image_bytes = image_bytes, .tensors = {}};
  if (kind != CallKind::kCopyToPersistent) {
    const Result<attest_problem_t> problem = AbiProblemFromJson(request.value("problem", Json()));
    if (!problem.ok()) return problem.status();
    call.problem = *problem;
  }
  if (image_bytes == 0) {
    if (!request.contains("image_bytes") || !request["image_bytes"].is_number_unsigned()) {
      return BadInput("image_bytes: missing");
    }
    call.image_bytes = request["image_bytes"];
  }
  Result<std::vector<WireTensor>> tensors = TensorsFromJson(request.value("tensors", Json()));
  if (!tensors.ok()) return tensors.status();
  if (Status status = CheckTensors(kind, *tensors, call.image_bytes); !status.ok()) return status;
  call.tensors = std::move(*tensors);
  return call;
}

Json Worker::Call(CallKind kind, const Json& request) {
  const Result<CallRequest> call = ReadCall(kind, request, 0);
  if (!call.ok()) return BadRequest(call.status().message());
  const CallOutcome outcome = RunCall(backend_, *call, kImageFd, device_);
  if (!outcome.mapped) return BadRequest("image_bytes: more than the image holds");
  Json answer = AnswerOf(outcome.answer);
  if (outcome.view) answer["view"] = ToJson(*outcome.view);
  return answer;
}

Json Worker::Capture(const Json& request) {
  if (graph_.held()) return BadRequest("graph_capture before graph_destroy");
  const Result<CallRequest> call = ReadCall(CallKind::kForward, request, 0);
  if (!call.ok()) return BadRequest(call.status().message());
  const CallOutcome outcome = graph_.Capture(backend_, *call, kImageFd);
  if (!outcome.mapped) return BadRequest("image_bytes: more than the image holds");
  return AnswerOf(outcome.answer);
}

Json Worker::OfGraph(const std::string& op, const Json& request) {
  if (!graph_.held()) return BadRequest(op + " before graph_capture");
  if (op == "graph_replay") return AnswerOf(graph_.Replay(backend_));
  if (op == "graph_destroy") return AnswerOf(graph_.Destroy(backend_));
  if (op == "graph_inspect") return Inspect(request);
  const Result<CallRequest> call = ReadCall(CallKind::kForward, request, graph_.image_bytes());
  if (!call.ok()) return BadRequest(call.status().message());
  return AnswerOf(graph_.Update(backend_, *call));
}

Json Worker::Inspect(const Json& request) {
  if (!request.contains("index") || !request["index"].is_number_integer()) {
    return BadRequest("index: missing");
  }
  SeenView seen;
  const BackendAnswer inspected = graph_.Inspect(backend_, request["index"], seen);
  Json answer = AnswerOf(inspected);
  if (inspected.ok()) answer["persistent"] = ToJson(seen);
  return answer;
}

Json Worker::Bye() {
  if (graph_.held()) (void)graph_.Destroy(backend_);
  if (device_.base != nullptr) (void)backend_.Release(device_.base);
  backend_.Close();
  finished_ = true;
  return {{"status", "ok"}};
}

int Run() {
  // Lines of a backend that dies should not die with its buffer.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  // The parent's death signal would kill the worker alone, before it could kill its descendants.
  prctl(PR_SET_PDEATHSIG, 0);
  static std::atomic<bool> said_bye = false;
  std::thread(DieWithTheParent, dup(kSocketFd), std::cref(said_bye)).detach();
  Worker worker;
  while (!worker.finished()) {
    const std::optional<std::string> body = Receive();
    if (!body) _exit(1);  // without destructors: the backend is still open
    const Result<Json> request = ParseMessage(*body);
    Json answer = request.ok() ? worker.Answer(*request) : BadRequest(request.status().message());
    answer["seq"] = request.ok() ? request->value("seq", Json()) : Json();
    said_bye = worker.finished();
    if (!Send(answer)) _exit(1);
  }
  return 0;
}

}  // namespace
}  // namespace attest

int main() { return attest::Run(); }
