// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/protocol.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

constexpr std::array<std::string_view, 8> kStatusWords = {
    "ok",        "refused",     "invalid_argument", "out_of_memory",
    "no_device", "device_lost", "abi_mismatch",     "internal"};

// Depth of brackets outside strings. Asked before the parser runs: sixteen million opening brackets
// are a legal frame and would cost gigabytes as a tree.
bool NestedTooDeep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > kMaxNesting) return true;
  }
  return false;
}

}  // namespace

std::string Frame(std::string_view body) {
  const auto size = static_cast<std::uint32_t>(body.size());
  std::string frame;
  frame.reserve(kFrameHeaderBytes + body.size());
  for (std::size_t byte = 0; byte < kFrameHeaderBytes; ++byte) {
    frame += static_cast<char>((size >> (8 * byte)) & 0xFFU);
  }
  frame += body;
  return frame;
}

std::optional<std::uint32_t> FrameLength(std::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  std::uint32_t size = 0;
  for (std::size_t byte = 0; byte < kFrameHeaderBytes; ++byte) {
    size |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[byte])) << (8 * byte);
  }
  return size;
}

Result<nlohmann::ordered_json> ParseMessage(std::string_view body) {
  if (NestedTooDeep(body)) return BadInput("a message nested too deep");
  auto message = nlohmann::ordered_json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (message.is_discarded()) return BadInput("a message that is not JSON");
  if (!message.is_object()) return BadInput("a message that is not a JSON object");
  return message;
}

std::string_view StatusWord(attest_status_t status) {
  if (status < 0 || std::cmp_greater_equal(status, kStatusWords.size())) return kUnknownStatus;
  return kStatusWords.at(static_cast<std::size_t>(status));
}

std::optional<attest_status_t> ParseStatusWord(std::string_view word) {
  for (std::size_t i = 0; i < kStatusWords.size(); ++i) {
    if (kStatusWords.at(i) == word) return static_cast<attest_status_t>(i);
  }
  return std::nullopt;
}

}  // namespace attest
