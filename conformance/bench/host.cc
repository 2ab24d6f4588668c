// SPDX-License-Identifier: Apache-2.0
#include "conformance/bench/host.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sched.h>

#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

namespace attest {
namespace {

// The text after "NAME:" in a file of such lines; empty if there is none.
std::string LineOf(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name, 0) != 0) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t first = line.find_first_not_of(" \t", colon + 1);
    return first == std::string::npos ? "" : line.substr(first);
  }
  return "";
}

// "123 kB" of /proc/self/status.
Result<std::uint64_t> StatusBytes(const std::string& name) {
  const std::string text = LineOf("/proc/self/status", name);
  try {
    return std::uint64_t{std::stoull(text)} * 1024;
  } catch (const std::exception&) {
    return EnvironmentError(fmt::format("/proc/self/status: no {}", name));
  }
}

int UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

}  // namespace

Host DescribeHost() {
  return {.cpu = LineOf("/proc/cpuinfo", "model name"),
          .cores = UsableCores(),
          .compiler = ATTEST_COMPILER,
          .flags = ATTEST_FLAGS,
          .date = fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)))};
}

nlohmann::ordered_json ToJson(const Host& host) {
  return {{"cpu", host.cpu},
          {"cores", host.cores},
          {"compiler", host.compiler},
          {"flags", host.flags},
          {"date", host.date}};
}

Result<std::uint64_t> PeakBytesOf(const std::function<Status()>& run) {
  malloc_trim(0);  // what earlier work freed would hide new pages
  std::ofstream reset("/proc/self/clear_refs");
  reset << "5\n" << std::flush;
  if (!reset) return EnvironmentError("/proc/self/clear_refs: the peak cannot be reset");
  const Result<std::uint64_t> before = StatusBytes("VmRSS");
  if (!before.ok()) return before.status();
  if (Status status = run(); !status.ok()) return status;
  const Result<std::uint64_t> peak = StatusBytes("VmHWM");
  if (!peak.ok()) return peak.status();
  return *peak > *before ? *peak - *before : 0;
}

}  // namespace attest
