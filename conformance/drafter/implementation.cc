// SPDX-License-Identifier: Apache-2.0
#include "conformance/drafter/implementation.h"

#include <fmt/format.h>

#include <utility>

#include "spec/vocabulary/json_object.h"
#include "spec/vocabulary/json_text.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kByeSeconds = 2.0;
constexpr double kHelloDeadlines = 15;  // an import of vLLM alone takes minutes on a busy machine

// A list of texts that may be absent.
std::vector<std::string> StringsOr(JsonObject& object, std::string_view key,
                                   std::vector<std::string> missing) {
  return object.Has(key) ? object.Strings(key) : std::move(missing);
}

Result<Introduction> ReadIntroduction(const Json& json) {
  JsonObject object(json, "hello");
  Introduction read;
  (void)object.Integer("id");
  if (object.Has("not_available")) {
    read.not_available = object.String("not_available");
    return read;
  }
  if (object.Integer("version") != kDrafterProtocol) {
    object.Fail("version", fmt::format("not {}", kDrafterProtocol));
  }
  read.name = object.String("name");
  read.answers = object.Strings("answers");
  read.eras = object.Strings("eras");
  read.runners = object.Strings("runners");
  read.fields = StringsOr(object, "fields", {});
  if (Status status = object.Done(); !status.ok()) return status;
  return read;
}

}  // namespace

Result<std::unique_ptr<Implementation>> Implementation::Open(const std::string& command,
                                                             double deadline_s) {
  std::unique_ptr<Implementation> opened(new Implementation(command, deadline_s));
  if (Status status = opened->Hello(); !status.ok()) return status;
  return opened;
}

Implementation::~Implementation() {
  if (child_ == nullptr) return;
  child_->SayLast(Json{{"id", next_id_}, {"op", "bye"}}.dump(), kByeSeconds);
}

Status Implementation::Hello() {
  Result<std::unique_ptr<LineChild>> child = LineChild::Start(command_);
  if (!child.ok()) return child.status();
  child_ = std::move(*child);
  const Result<Json> answer =
      Exchange({{"op", "hello"}, {"version", kDrafterProtocol}}, kHelloDeadlines * deadline_s_);
  std::string why = answer.status().message();
  if (answer.ok()) {
    Result<Introduction> read = ReadIntroduction(*answer);
    if (read.ok()) {
      introduction_ = std::move(*read);
      return {};
    }
    why = read.status().message();
  }
  const std::string tail = child_ == nullptr ? "" : child_->ErrorTail();
  child_.reset();
  return EnvironmentError(
      fmt::format("--impl: {}{}{}", why, tail.empty() ? "" : "; its stderr ends: ", tail));
}

Result<Json> Implementation::Exchange(Json request, double deadline_s) {
  Json line = {{"id", next_id_++}};
  line.update(request);
  const std::string doing = line["op"];
  const LineReply reply = child_->Exchange(line.dump(), deadline_s);
  if (reply.end != LineEnd::kAnswered) {
    return BadInput(fmt::format("{}: {}", doing, reply.message));
  }
  Result<Json> answer = ParseJson(doing, reply.line);
  if (!answer.ok()) return BadInput(fmt::format("answer to {}", answer.status().message()));
  if (!answer->is_object()) return BadInput(fmt::format("answer to {}: no object", doing));
  const auto id = answer->find("id");
  if (id == answer->end() || *id != line["id"]) {
    return BadInput(fmt::format("answer to {}: not the id that was asked", doing));
  }
  return answer;
}

Outcome Implementation::Put(const Json& question) {
  if (child_ == nullptr) {
    ++restarts_;
    if (const Status status = Hello(); !status.ok()) return {.message = status.message()};
  }
  Result<Json> answer = Exchange(question, deadline_s_);
  const auto fault = [this](std::string message) {
    child_.reset();
    return Outcome{.message = std::move(message)};
  };
  if (!answer.ok()) return fault(answer.status().message());
  if (const auto why = answer->find("not_supported"); why != answer->end() && why->is_string()) {
    return {.kind = Outcome::Kind::kNotSupported, .answer = {}, .message = *why};
  }
  const auto found = answer->find("answer");
  if (found == answer->end() || !found->is_object()) {
    return fault("answer: neither \"answer\" nor \"not_supported\"");
  }
  return {.kind = Outcome::Kind::kAnswer, .answer = *found, .message = {}};
}

}  // namespace attest::drafter
