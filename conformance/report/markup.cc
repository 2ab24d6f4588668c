// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/markup.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>

namespace attest {
namespace {

// Bytes of the UTF-8 sequence that begins at `at`; 0 if none does. A backend's message may hold
// anything.
std::size_t SequenceLength(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  const std::size_t length = byte < 0x80                   ? 1
                             : byte >= 0xC2 && byte < 0xE0 ? 2
                             : byte >= 0xE0 && byte < 0xF0 ? 3
                             : byte >= 0xF0 && byte < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

std::string EscapeMarkup(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t length = SequenceLength(text, at);
    if (length != 1) {
      escaped += length == 0 ? "?" : text.substr(at, length);
      at += length == 0 ? 0 : length - 1;
      continue;
    }
    const char c = text[at];
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return escaped;
}

std::string ProseMarkup(std::string_view text) {
  std::string markup;
  while (true) {
    const std::size_t first = text.find('`');
    const std::size_t second = first == std::string_view::npos ? first : text.find('`', first + 1);
    if (second == std::string_view::npos) return markup + EscapeMarkup(text);
    markup += EscapeMarkup(text.substr(0, first));
    markup += "<code>" + EscapeMarkup(text.substr(first + 1, second - first - 1)) + "</code>";
    text.remove_prefix(second + 1);
  }
}

std::string FormatNumber(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return fmt::format("{:.6g}", value);
}

std::string FormatCount(long long value) {
  std::string digits = fmt::format("{}", value);
  for (std::size_t at = digits.size(); at > (value < 0 ? 4U : 3U);) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

}  // namespace attest
