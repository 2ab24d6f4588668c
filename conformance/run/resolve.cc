// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/resolve.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "conformance/run/session.h"

namespace attest {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "libattest_";
constexpr std::string_view kSuffix = ".so";

std::string Absolute(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

bool IsFile(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error) && !fs::is_directory(path, error);
}

bool LooksLikeAPath(std::string_view text) {
  return text.find('/') != std::string_view::npos || text.ends_with(kSuffix) ||
         text.find(".so.") != std::string_view::npos;
}

std::string BuiltInList() {
  const std::vector<std::string> names = BuiltInBackends();
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::string LibraryOf(std::string_view name) {
  return fmt::format("{}/{}{}{}", ProgramDirectory(), kPrefix, name, kSuffix);
}

// A selector begins at a colon; file names may hold colons too, so the longest cut that names a
// file wins and the first colon decides where none does. NAME.SELECTOR is NAME:SELECTOR where NAME
// is built in: families of kernels are known by such names.
std::size_t CutOf(const std::string& argument) {
  for (std::size_t cut = argument.size(); cut != std::string::npos && cut > 0;
       cut = argument.rfind(':', cut - 1)) {
    if (LooksLikeAPath(argument.substr(0, cut)) && IsFile(argument.substr(0, cut))) return cut;
  }
  const std::size_t dot = argument.find('.');
  if (dot != std::string::npos && !LooksLikeAPath(argument) &&
      IsFile(LibraryOf(argument.substr(0, dot)))) {
    return dot;
  }
  return std::min(argument.find(':'), argument.size());
}

}  // namespace

std::string ProgramDirectory() {
  const char* chosen = std::getenv("ATTEST_BIN");
  if (chosen != nullptr && *chosen != '\0') return Absolute(chosen);
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path().string();
}

std::vector<std::string> BuiltInBackends() {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(ProgramDirectory(), error)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with(kPrefix) || !file.ends_with(kSuffix)) continue;
    if (file.size() <= kPrefix.size() + kSuffix.size()) continue;
    names.push_back(file.substr(kPrefix.size(), file.size() - kPrefix.size() - kSuffix.size()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<BackendSpec> ResolveBackend(const std::string& argument) {
  const std::size_t cut = CutOf(argument);
  const std::string name = argument.substr(0, cut);
  BackendSpec spec = {.argument = argument,
                      .library = {},
                      .selector = cut < argument.size() ? argument.substr(cut + 1) : "",
                      .options = {},
                      .worker = {}};
  if (name.empty()) {
    return BadInput(
        fmt::format("backend '{}' names no backend; built in here: {}", argument, BuiltInList()));
  }
  spec.library = LooksLikeAPath(name) ? Absolute(name) : LibraryOf(name);
  if (!IsFile(spec.library)) {
    return BadInput(fmt::format("backend '{}': no library at {}; built in here: {}", argument,
                                spec.library, BuiltInList()));
  }
  return spec;
}

}  // namespace attest
