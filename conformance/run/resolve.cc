// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/resolve.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
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

// ---- Python: "python:MODULE:NAME", "python:FILE.py:NAME", "python@INTERPRETER:..."

constexpr std::string_view kPythonPrefix = "python:";
constexpr std::string_view kChosenPrefix = "python@";
constexpr std::string_view kPythonForms = "python:MODULE:NAME or python:FILE.py:NAME";

bool IsPython(std::string_view argument) {
  return argument.starts_with(kPythonPrefix) || argument.starts_with(kChosenPrefix);
}

// Where PATH leads; empty if nowhere. A name with a slash is a path already. Links stay: a virtual
// environment is known by the link through which its interpreter is started.
std::string FindProgram(const std::string& name) {
  const auto runs = [](const std::string& path) {
    return IsFile(path) && access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) return runs(name) ? Absolute(name) : "";
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  std::string directory;
  while (std::getline(directories, directory, ':')) {
    const std::string candidate = fmt::format("{}/{}", directory.empty() ? "." : directory, name);
    if (runs(candidate)) return Absolute(candidate);
  }
  return "";
}

// The interpreter runs the directory `python` beside the program, which speaks worker.md. The
// digest of a run is that of the file; of a module, the interpreter's: where modules lie, only it
// knows.
Result<BackendSpec> ResolvePython(const std::string& argument) {
  const std::size_t colon = argument.find(':');
  const std::size_t last = argument.rfind(':');
  if (colon == std::string::npos || last == colon || last + 1 == argument.size() ||
      last == colon + 1) {
    return BadInput(fmt::format("backend '{}': want {}", argument, kPythonForms));
  }
  const bool chosen = argument.starts_with(kChosenPrefix);
  const std::size_t begin = kChosenPrefix.size();
  const std::string name = chosen ? argument.substr(begin, colon - begin) : "python3";
  const std::string interpreter = FindProgram(name);
  if (interpreter.empty()) {
    return EnvironmentError(
        fmt::format("backend '{}': no interpreter '{}'; --python names one", argument, name));
  }
  const std::string where = argument.substr(colon + 1, last - colon - 1);
  const std::string attribute = argument.substr(last + 1);
  const bool is_file = where.ends_with(".py") || where.find('/') != std::string::npos;
  const std::string file = is_file ? Absolute(where) : "";
  if (is_file && !IsFile(file)) {
    return BadInput(fmt::format("backend '{}': no file at {}", argument, file));
  }
  return BackendSpec{.argument = argument,
                     .library = is_file ? file : interpreter,
                     .selector = attribute,
                     .options = {},
                     .worker = {interpreter, "-u", ProgramDirectory() + "/python",
                                is_file ? "file" : "module", is_file ? file : where, attribute}};
}

}  // namespace

std::string WithInterpreter(const std::string& argument, const std::string& interpreter) {
  if (interpreter.empty() || !argument.starts_with(kPythonPrefix)) return argument;
  return fmt::format("{}{}:{}", kChosenPrefix, interpreter, argument.substr(kPythonPrefix.size()));
}

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
  if (IsPython(argument)) return ResolvePython(argument);
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
