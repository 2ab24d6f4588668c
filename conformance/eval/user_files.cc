// SPDX-License-Identifier: Apache-2.0
#include "conformance/eval/user_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

namespace attest {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 18> kInputs = {
    "query",       "key",          "value",         "past_key",        "past_value",
    "key_cache",   "value_cache",  "block_table",   "query_start_loc", "seq_lens",
    "sinks",       "alibi_slopes", "prefix_ranges", "request_causal",  "tree_mask",
    "custom_mask", "key_scale",    "value_scale"};
// What eval writes, and what a dump of a server may have beside its inputs.
constexpr std::array<std::string_view, 9> kNotInputs = {
    "out", "lse", "out_bound", "lse_bound", "scores", "weights", "visible", "rows", "slot_mapping"};

template <std::size_t kCount>
bool Holds(const std::array<std::string_view, kCount>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Result<UserFiles> UserFiles::Read(const std::string& directory) {
  std::error_code error;
  std::vector<fs::path> paths;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".npy") paths.push_back(entry->path());
  }
  if (error) return BadInput(fmt::format("{}: {}", directory, error.message()));
  std::sort(paths.begin(), paths.end());
  UserFiles files;
  files.directory_ = directory;
  for (const fs::path& path : paths) {
    const std::string name = path.stem().string();
    if (Holds(kNotInputs, name)) continue;
    if (!Holds(kInputs, name)) {
      return BadInput(fmt::format("{}: no tensor of a call has this name; known: {}", path.string(),
                                  fmt::join(kInputs, ", ")));
    }
    // Opening a pipe would wait for whoever writes it.
    if (fs::is_fifo(path, error)) return BadInput(path.string() + ": a pipe, not a file");
    Result<NpyArray> array = ReadNpy(path.string());
    if (!array.ok()) return array.status();
    files.arrays_.emplace(name, std::move(*array));
  }
  if (!files.Has("query")) return BadInput(files.PathOf("query") + ": missing");
  return files;
}

std::string UserFiles::PathOf(std::string_view name) const {
  return (fs::path(directory_) / fmt::format("{}.npy", name)).string();
}

const NpyArray& UserFiles::Of(std::string_view name) const {
  static const NpyArray kAbsent;
  const auto found = arrays_.find(name);
  return found == arrays_.end() ? kAbsent : found->second;
}

}  // namespace attest
