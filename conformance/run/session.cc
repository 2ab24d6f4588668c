// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/session.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "conformance/run/child.h"
#include "conformance/run/protocol.h"
#include "conformance/run/resolve.h"
#include "conformance/run/session_pace.h"
#include "conformance/run/shared_image.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kByeGraceS = 2.0;

std::string OneLine(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

std::string TextOf(const Json& answer, const char* name) {
  if (!answer.is_object()) return "";
  const auto found = answer.find(name);
  return found != answer.end() && found->is_string() ? found->get<std::string>() : "";
}

Json TensorsToJson(const CallImage& image) {
  Json tensors = Json::array();
  for (const PlacedTensor& tensor : image.tensors) {
    tensors.push_back(ToJson(WireTensor{.name = tensor.name,
                                        .dtype = tensor.dtype,
                                        .shape = tensor.shape,
                                        .strides = tensor.strides,
                                        .offset = tensor.offset}));
  }
  return tensors;
}

// A call's result together with the answer's JSON.
struct Answered {
  CallResult result;
  Json answer;
  std::string incident;  // not empty: what went wrong began before this call
};

CallResult ProtocolError(std::string message) {
  return {.end = CallEnd::kProtocol, .status = 0, .message = std::move(message), .output_tail = {}};
}

CallResult CannotStart(const Status& status) {
  return {
      .end = CallEnd::kCannotStart, .status = 0, .message = status.message(), .output_tail = {}};
}

// What an answer to `doing` says; kProtocol if it is no answer to it.
CallResult Interpret(const Json& answer, const std::string& seq, const std::string& doing) {
  if (answer.value("seq", Json()) != seq) {
    return ProtocolError(fmt::format("answered {} with another seq", doing));
  }
  if (answer.contains("threw")) {
    return {
        .end = CallEnd::kThrew, .status = 0, .message = TextOf(answer, "threw"), .output_tail = {}};
  }
  const std::string word = TextOf(answer, "status");
  const std::string message = TextOf(answer, "message");
  if (const std::optional<attest_status_t> status = ParseStatusWord(word)) {
    return {.end = CallEnd::kAnswered, .status = *status, .message = message, .output_tail = {}};
  }
  const auto code = answer.find("code");
  if (word == kUnknownStatus && code != answer.end() && code->is_number_integer()) {
    return {.end = CallEnd::kAnswered,
            .status = code->get<int>(),
            .message = message,
            .output_tail = {}};
  }
  return ProtocolError(fmt::format("answered {} with status '{}'{}{}", doing, word,
                                   message.empty() ? "" : ": ", message));
}

class ProcessSession final : public Session {
 public:
  ProcessSession(BackendSpec spec, const SessionOptions& options)
      : spec_(std::move(spec)),
        options_(options),
        pace_(options.deadline_floor_s, options.deadline_scale) {}

  ~ProcessSession() override { SayBye(); }

  const Claims& claims() const override { return claims_; }
  const BackendSpec& spec() const override { return spec_; }
  int children_started() const override { return children_started_; }
  std::vector<std::string> incidents() const override;

  Status OpenFirst();
  CallResult Supports(const attest_problem_t& problem) override;
  CallResult Forward(const attest_problem_t& problem, double multiply_adds,
                     CallImage& image) override;
  CallResult WriteKv(const attest_problem_t& problem, double multiply_adds,
                     CallImage& image) override;
  CallResult Merge(const attest_problem_t& problem, double multiply_adds,
                   CallImage& image) override;
  CallResult CopyToPersistent(CallImage& image, std::optional<SeenTensor>& view) override;
  CallResult GraphCapture(const attest_problem_t& maximum, double multiply_adds,
                          CallImage& image) override;
  CallResult GraphUpdate(const attest_problem_t& step, CallImage& image) override;
  CallResult GraphReplay(double multiply_adds, CallImage& image) override;
  CallResult GraphInspect(int index, SeenView& view) override;
  CallResult GraphDestroy() override;
  void StartAfresh() override;

 private:
  Answered AskGraph(const std::string& op, Json request, double deadline_s, CallImage* image);
  CallResult CallOnImage(CallKind kind, const attest_problem_t& problem, double multiply_adds,
                         CallImage& image);
  std::vector<std::string> Command() const;
  bool IsOfAnEarlierCall(const Json& seq) const;
  CallResult Call(const std::string& op, const Json& request, double deadline_s,
                  const CallImage* image);
  Answered CallAnswered(const std::string& op, const Json& request, double deadline_s,
                        const CallImage* image);
  Answered Ask(const std::string& op, Json request, double deadline_s);
  Answered Hello();
  CallResult EnsureChild();
  void SayBye();

  BackendSpec spec_;
  SessionOptions options_;
  Pace pace_;
  Claims claims_;
  std::unique_ptr<SharedImage> image_;
  std::unique_ptr<Child> child_;
  std::uint64_t last_seq_ = 0;
  int children_started_ = 0;
  std::vector<std::string> incidents_;
};

std::vector<std::string> ProcessSession::Command() const {
  if (!spec_.worker.empty()) return spec_.worker;
  return {ProgramDirectory() + "/attest-worker"};
}

std::vector<std::string> ProcessSession::incidents() const {
  std::vector<std::string> all = incidents_;
  const std::string broken = child_ == nullptr ? "" : child_->BrokenWhileIdle();
  if (!broken.empty()) all.push_back(broken);  // not yet met by a call
  return all;
}

bool ProcessSession::IsOfAnEarlierCall(const Json& seq) const {
  if (!seq.is_string()) return false;
  const std::string& text = seq.get_ref<const std::string&>();
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number < last_seq_;
}

// One request and its answer. A child that gave no answer is gone afterwards: whatever it still had
// to say dies with its socket.
Answered ProcessSession::Ask(const std::string& op, Json request, double deadline_s) {
  const std::string seq = std::to_string(++last_seq_);
  request["seq"] = seq;
  request["op"] = op;
  const std::string body = LineText(request);
  if (body.size() > kMaxMessageBytes) {
    return {.result = CannotStart(InternalError(fmt::format("a request of {} bytes", body.size()))),
            .answer = {},
            .incident = {}};
  }
  const Reply reply = child_->Exchange(
      body, op, {.deadline_s = deadline_s, .memory_bytes = options_.memory_limit_bytes});
  Answered answered;
  answered.result = {.end = reply.end, .status = 0, .message = reply.message, .output_tail = {}};
  if (!reply.body.empty() || reply.end == CallEnd::kAnswered) {
    Result<Json> answer = ParseMessage(reply.body);
    if (reply.end == CallEnd::kAnswered) {
      answered.result =
          answer.ok()
              ? Interpret(*answer, seq, op)
              : ProtocolError(fmt::format("answered {} with {}", op, answer.status().message()));
    }
    if (answer.ok()) answered.answer = std::move(*answer);
    if (answer.ok() && IsOfAnEarlierCall(answered.answer.value("seq", Json()))) {
      answered.incident = "answered an earlier call once more";
    }
  }
  if (reply.unread) answered.incident = reply.message;
  if (!answered.incident.empty()) incidents_.push_back(answered.incident);
  answered.result.seconds = reply.seconds;
  answered.result.message = OneLine(std::move(answered.result.message));
  const bool healthy =
      answered.result.end == CallEnd::kAnswered && answered.result.status != ATTEST_DEVICE_LOST;
  if (!healthy) {
    answered.result.output_tail = child_->OutputTail();
    child_.reset();
  }
  return answered;
}

// Starts a child with an image of its own, so that what is left of an earlier one cannot write into
// it, and opens the backend.
Answered ProcessSession::Hello() {
  Result<std::unique_ptr<SharedImage>> image = SharedImage::Create();
  if (!image.ok()) return {.result = CannotStart(image.status()), .answer = {}, .incident = {}};
  Result<std::unique_ptr<Child>> child = Child::Start(Command(), (*image)->fd());
  if (!child.ok()) return {.result = CannotStart(child.status()), .answer = {}, .incident = {}};
  image_ = std::move(*image);
  child_ = std::move(*child);
  ++children_started_;
  const std::string threads = fmt::format("threads={}", options_.threads);
  return Ask("hello",
             {{"protocol", kProtocolVersion},
              {"library", spec_.library},
              {"selector", spec_.selector},
              {"options", spec_.options.empty() ? threads : spec_.options + "," + threads}},
             options_.open_scale * options_.deadline_floor_s);
}

// What a child says of itself when it has no backend to offer is the user's line, without the
// protocol around it.
std::string OpeningText(const Answered& hello) {
  if (hello.result.end == CallEnd::kThrew) {
    return "threw while it was opened: " + hello.result.message;
  }
  for (const std::string_view word : {kCannotLoad, kInvalidTable, kInvalidClaims}) {
    if (TextOf(hello.answer, "status") == word) return OneLine(TextOf(hello.answer, "message"));
  }
  return hello.result.message;
}

Status ProcessSession::OpenFirst() {
  const Answered hello = Hello();
  const std::string text = fmt::format("backend '{}': {}", spec_.argument, OpeningText(hello));
  if (hello.result.end == CallEnd::kCannotStart) return EnvironmentError(text);
  if (hello.result.end != CallEnd::kAnswered) return BadInput(text);
  switch (hello.result.status) {
    case ATTEST_OK:
      break;
    case ATTEST_NO_DEVICE:
    case ATTEST_DEVICE_LOST:
    case ATTEST_OUT_OF_MEMORY:
      return EnvironmentError(text);
    default:
      return BadInput(text);
  }
  Result<Claims> claims = ClaimsFromJson(hello.answer.value("claims", Json()));
  if (!claims.ok()) {
    return BadInput(fmt::format("backend '{}': {}", spec_.argument, claims.status().message()));
  }
  claims_ = std::move(*claims);
  return {};
}

// kAnswered with ATTEST_OK: there is a child and it is idle.
CallResult ProcessSession::EnsureChild() {
  if (child_ != nullptr) {
    const std::string broken = child_->BrokenWhileIdle();
    if (broken.empty()) return {};
    incidents_.push_back(broken);
    child_.reset();
  }
  const Answered hello = Hello();
  if (hello.result.end != CallEnd::kAnswered) return hello.result;
  CallResult result = hello.result;
  // A device that is gone is the machine's fault; a backend that opens once only is its own.
  const bool machine = result.status == ATTEST_NO_DEVICE || result.status == ATTEST_DEVICE_LOST ||
                       result.status == ATTEST_OUT_OF_MEMORY;
  const auto unusable = [&](const std::string& message) {
    child_.reset();
    result.end = machine ? CallEnd::kCannotStart : CallEnd::kProtocol;
    result.message = "the backend does not open again: " + message;
    return result;
  };
  if (result.status != ATTEST_OK) return unusable(result.message);
  const Result<Claims> claims = ClaimsFromJson(hello.answer.value("claims", Json()));
  if (!claims.ok()) return unusable(claims.status().message());
  if (!(*claims == claims_)) return unusable("it claims something else than the first time");
  return {};
}

// A call that met what an earlier one left behind (a spare answer in the stream, a child on its way
// out) is asked once more, of a fresh child.
Answered ProcessSession::CallAnswered(const std::string& op, const Json& request, double deadline_s,
                                      const CallImage* image) {
  for (bool again = false;; again = true) {
    if (CallResult ready = EnsureChild(); ready.end != CallEnd::kAnswered) {
      return {.result = std::move(ready), .answer = {}, .incident = {}};
    }
    if (image != nullptr) {
      if (Status status = image_->Write(image->bytes); !status.ok()) {
        return {.result = CannotStart(status), .answer = {}, .incident = {}};
      }
    }
    Answered answered = Ask(op, request, deadline_s);
    if (answered.incident.empty() || again) return answered;
  }
}

CallResult ProcessSession::Call(const std::string& op, const Json& request, double deadline_s,
                                const CallImage* image) {
  return CallAnswered(op, request, deadline_s, image).result;
}

CallResult ProcessSession::Supports(const attest_problem_t& problem) {
  return Call("supports", {{"problem", ToJson(problem)}}, options_.deadline_floor_s, nullptr);
}

CallResult ProcessSession::Forward(const attest_problem_t& problem, double multiply_adds,
                                   CallImage& image) {
  return CallOnImage(CallKind::kForward, problem, multiply_adds, image);
}

CallResult ProcessSession::WriteKv(const attest_problem_t& problem, double multiply_adds,
                                   CallImage& image) {
  return CallOnImage(CallKind::kWriteKv, problem, multiply_adds, image);
}

CallResult ProcessSession::Merge(const attest_problem_t& problem, double multiply_adds,
                                 CallImage& image) {
  return CallOnImage(CallKind::kMerge, problem, multiply_adds, image);
}

CallResult ProcessSession::CallOnImage(CallKind kind, const attest_problem_t& problem,
                                       double multiply_adds, CallImage& image) {
  CallResult result = Call(std::string(Name(kind)),
                           {{"problem", ToJson(problem)},
                            {"image_bytes", image.bytes.size()},
                            {"tensors", TensorsToJson(image)}},
                           pace_.DeadlineSeconds(multiply_adds), &image);
  if (result.end != CallEnd::kAnswered) return result;
  if (Status status = image_->Read(image.bytes); !status.ok()) return CannotStart(status);
  // The rate is that of forward: copying bytes says nothing about multiply-adds.
  if (kind == CallKind::kForward && result.status == ATTEST_OK) {
    pace_.Observe(multiply_adds, result.seconds);
  }
  return result;
}

CallResult ProcessSession::CopyToPersistent(CallImage& image, std::optional<SeenTensor>& view) {
  Answered answered =
      CallAnswered("copy_to_persistent",
                   {{"image_bytes", image.bytes.size()}, {"tensors", TensorsToJson(image)}},
                   options_.deadline_floor_s, &image);
  if (answered.result.end != CallEnd::kAnswered) return std::move(answered.result);
  if (Status status = image_->Read(image.bytes); !status.ok()) return CannotStart(status);
  if (answered.result.status != ATTEST_OK) return std::move(answered.result);
  Result<SeenTensor> seen = SeenTensorFromJson(answered.answer.value("view", Json()), "view");
  if (!seen.ok()) return ProtocolError("answered copy_to_persistent: " + seen.status().message());
  view = std::move(*seen);
  return std::move(answered.result);
}

CallResult ProcessSession::GraphCapture(const attest_problem_t& maximum, double multiply_adds,
                                        CallImage& image) {
  CallResult result = Call("graph_capture",
                           {{"problem", ToJson(maximum)},
                            {"image_bytes", image.bytes.size()},
                            {"tensors", TensorsToJson(image)}},
                           pace_.DeadlineSeconds(multiply_adds), &image);
  if (result.end != CallEnd::kAnswered) return result;
  if (Status status = image_->Read(image.bytes); !status.ok()) return CannotStart(status);
  return result;
}

// A fresh child would have no graph, so nothing is asked twice.
Answered ProcessSession::AskGraph(const std::string& op, Json request, double deadline_s,
                                  CallImage* image) {
  const std::string broken = child_ == nullptr ? "it was ended" : child_->BrokenWhileIdle();
  if (!broken.empty()) {
    child_.reset();
    return {.result = {.end = CallEnd::kCrash,
                       .status = 0,
                       .message = "the process that held the graph is gone: " + broken,
                       .output_tail = {}},
            .answer = {},
            .incident = {}};
  }
  if (image != nullptr) {
    if (Status status = image_->Write(image->bytes); !status.ok()) {
      return {.result = CannotStart(status), .answer = {}, .incident = {}};
    }
  }
  Answered answered = Ask(op, std::move(request), deadline_s);
  if (image != nullptr && answered.result.end == CallEnd::kAnswered) {
    if (Status status = image_->Read(image->bytes); !status.ok()) {
      answered.result = CannotStart(status);
    }
  }
  return answered;
}

CallResult ProcessSession::GraphUpdate(const attest_problem_t& step, CallImage& image) {
  return AskGraph("graph_update", {{"problem", ToJson(step)}, {"tensors", TensorsToJson(image)}},
                  options_.deadline_floor_s, &image)
      .result;
}

CallResult ProcessSession::GraphReplay(double multiply_adds, CallImage& image) {
  return std::move(
      AskGraph("graph_replay", Json::object(), pace_.DeadlineSeconds(multiply_adds), &image)
          .result);
}

CallResult ProcessSession::GraphInspect(int index, SeenView& view) {
  Answered answered =
      AskGraph("graph_inspect", {{"index", index}}, options_.deadline_floor_s, nullptr);
  if (answered.result.end != CallEnd::kAnswered || answered.result.status != ATTEST_OK) {
    return std::move(answered.result);
  }
  Result<SeenView> seen =
      SeenViewFromJson(answered.answer.value("persistent", Json()), "persistent");
  if (!seen.ok()) return ProtocolError("answered graph_inspect: " + seen.status().message());
  view = std::move(*seen);
  return std::move(answered.result);
}

CallResult ProcessSession::GraphDestroy() {
  return std::move(
      AskGraph("graph_destroy", Json::object(), options_.deadline_floor_s, nullptr).result);
}

void ProcessSession::StartAfresh() {
  SayBye();
  child_.reset();
}

// Lets the backend close; what it does then is nobody's verdict.
void ProcessSession::SayBye() {
  if (child_ == nullptr || !child_->BrokenWhileIdle().empty()) return;
  (void)Ask("bye", Json::object(), kByeGraceS);
  if (child_ != nullptr) child_->WaitForExit(kByeGraceS);
}

}  // namespace

CallResult Session::WriteKv(const attest_problem_t& /*problem*/, double /*multiply_adds*/,
                            CallImage& /*image*/) {
  return ProtocolError("write_kv: not offered by this session");
}

CallResult Session::Merge(const attest_problem_t& /*problem*/, double /*multiply_adds*/,
                          CallImage& /*image*/) {
  return ProtocolError("merge: not offered by this session");
}

CallResult Session::CopyToPersistent(CallImage& /*image*/, std::optional<SeenTensor>& /*view*/) {
  return ProtocolError("copy_to_persistent: not offered by this session");
}

CallResult Session::GraphCapture(const attest_problem_t& /*maximum*/, double /*multiply_adds*/,
                                 CallImage& /*image*/) {
  return ProtocolError("graph_capture: not offered by this session");
}

CallResult Session::GraphUpdate(const attest_problem_t& /*step*/, CallImage& /*image*/) {
  return ProtocolError("graph_update: not offered by this session");
}

CallResult Session::GraphReplay(double /*multiply_adds*/, CallImage& /*image*/) {
  return ProtocolError("graph_replay: not offered by this session");
}

CallResult Session::GraphInspect(int /*index*/, SeenView& /*view*/) {
  return ProtocolError("graph_inspect: not offered by this session");
}

CallResult Session::GraphDestroy() {
  return ProtocolError("graph_destroy: not offered by this session");
}

Result<std::unique_ptr<Session>> Session::Open(const BackendSpec& spec,
                                               const SessionOptions& options) {
  auto session = std::make_unique<ProcessSession>(spec, options);
  if (Status status = session->OpenFirst(); !status.ok()) return status;
  return std::unique_ptr<Session>(std::move(session));
}

}  // namespace attest
