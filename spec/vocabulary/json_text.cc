// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <set>

namespace attest {
namespace {

constexpr int kMaxDepth = 64;

std::string Place(std::string_view filename, std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t newline = before.rfind('\n');
  const std::size_t column =
      newline == std::string_view::npos ? before.size() + 1 : before.size() - newline;
  return fmt::format("{}:{}:{}", filename, line, column);
}

// Walks text that is known to be JSON. Calls `visit` with the path and the offset of each value and
// `repeated` with the offset of each key that its object has already.
class Walker {
 public:
  using Visit = std::function<void(const std::string& path, std::size_t offset)>;
  using Repeated = std::function<void(std::string_view key, std::size_t offset)>;

  Walker(std::string_view text, Visit visit, Repeated repeated)
      : text_(text), visit_(std::move(visit)), repeated_(std::move(repeated)) {}

  void Walk() { Value(); }

 private:
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void SkipSpace() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }
  std::string_view String() {
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    const std::string_view inside = text_.substr(begin, at_ - begin);
    ++at_;
    return inside;
  }

  void Value() {
    SkipSpace();
    visit_(path_, at_);
    if (Peek() == '{') return Object();
    if (Peek() == '[') return Array();
    if (Peek() == '"') {
      String();
      return;
    }
    while (at_ < text_.size() && std::string_view(",]} \t\r\n").find(text_[at_]) == text_.npos) {
      ++at_;
    }
  }

  void Object() {
    std::set<std::string_view> seen;
    const std::size_t length = path_.size();
    ++at_;
    for (SkipSpace(); Peek() == '"'; SkipSpace()) {
      const std::size_t key_at = at_;
      const std::string_view key = String();
      if (!seen.insert(key).second) repeated_(key, key_at);
      SkipSpace();
      ++at_;  // ':'
      path_ += fmt::format("{}{}", length == 0 ? "" : ".", key);
      Value();
      path_.resize(length);
      SkipSpace();
      if (Peek() == ',') ++at_;
    }
    ++at_;
  }

  void Array() {
    const std::size_t length = path_.size();
    ++at_;
    SkipSpace();
    for (int index = 0; Peek() != ']' && at_ < text_.size(); ++index) {
      path_ += fmt::format("[{}]", index);
      Value();
      path_.resize(length);
      SkipSpace();
      if (Peek() == ',') ++at_;
      SkipSpace();
    }
    ++at_;
  }

  std::string_view text_;
  Visit visit_;
  Repeated repeated_;
  std::size_t at_ = 0;
  std::string path_;
};

// nlohmann writes "[json.exception.parse_error.101] parse error at line 1, column 2: ...".
std::string Plain(std::string_view what) {
  const std::size_t bracket = what.find("] ");
  if (bracket != what.npos) what.remove_prefix(bracket + 2);
  const std::size_t place = what.find(": ");
  if (what.starts_with("parse error") && place != what.npos) what.remove_prefix(place + 2);
  return std::string(what);
}

// Does `path` lead to or through the value at `prefix`?
bool LeadsThrough(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  return path.size() == prefix.size() || prefix.empty() ||
         std::string_view(".[").find(path[prefix.size()]) != path.npos;
}

}  // namespace

Result<nlohmann::ordered_json> ParseJson(std::string_view filename, std::string_view text) {
  bool too_deep = false;
  nlohmann::ordered_json json;
  try {
    json = nlohmann::ordered_json::parse(
        text, [&too_deep](int depth, nlohmann::ordered_json::parse_event_t, auto&) {
          too_deep = too_deep || depth > kMaxDepth;
          return true;
        });
  } catch (const nlohmann::ordered_json::parse_error& error) {
    const std::size_t offset = error.byte == 0 ? 0 : error.byte - 1;
    return BadInput(fmt::format("{}: {}", Place(filename, text, offset), Plain(error.what())));
  } catch (const nlohmann::ordered_json::exception& error) {  // a number out of range
    return BadInput(fmt::format("{}: {}", filename, Plain(error.what())));
  }
  if (too_deep) return BadInput(fmt::format("{}: more than {} levels", filename, kMaxDepth));
  std::string repeated;
  Walker(
      text, [](const std::string&, std::size_t) {},
      [&](std::string_view key, std::size_t offset) {
        if (!repeated.empty()) return;
        repeated = fmt::format("{}: \"{}\" stands twice", Place(filename, text, offset), key);
      })
      .Walk();
  if (!repeated.empty()) return BadInput(repeated);
  return json;
}

std::string LocateJson(std::string_view filename, std::string_view text, std::string_view path) {
  std::size_t best = 0;
  std::size_t length = 0;
  Walker(
      text,
      [&](const std::string& at, std::size_t offset) {
        if (!LeadsThrough(path, at) || at.size() < length) return;
        best = offset;
        length = at.size();
      },
      [](std::string_view, std::size_t) {})
      .Walk();
  return Place(filename, text, best);
}

Status WithPlace(std::string_view filename, std::string_view text, const Status& status) {
  if (status.ok()) return status;
  const std::string_view path =
      std::string_view(status.message()).substr(0, status.message().find(": "));
  return {status.code(), fmt::format("{}: {}", LocateJson(filename, text, path), status.message())};
}

std::string IndentedText(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string LineText(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace attest
