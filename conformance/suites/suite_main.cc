// SPDX-License-Identifier: Apache-2.0
//
// attest_suite [--backend B] [--tier T] [--require PROFILES] [GoogleTest flags]. ATTEST_BACKEND and
// ATTEST_TIER say the same where flags are awkward. Several backends or profiles are separated by
// commas. A backend of which no case of a required profile is expected is bad input: a claim that
// went missing would otherwise pass as an empty run.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "conformance/judge/self_check.h"
#include "conformance/judge/verdict.h"
#include "conformance/report/selection.h"
#include "conformance/suites/backend_suite.h"

namespace attest {
namespace {

struct Flags {
  std::string backends;
  std::string tier = "smoke";
  std::string required;
};

Result<Flags> ReadFlags(int argc, char** argv) {
  Flags flags;
  if (const char* text = std::getenv("ATTEST_BACKEND"); text != nullptr) flags.backends = text;
  if (const char* text = std::getenv("ATTEST_TIER"); text != nullptr) flags.tier = text;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    std::string* value = flag == "--backend"   ? &flags.backends
                         : flag == "--tier"    ? &flags.tier
                         : flag == "--require" ? &flags.required
                                               : nullptr;
    if (value == nullptr) return BadInput(fmt::format("unknown flag '{}'", flag));
    if (++i == argc) return BadInput(fmt::format("{}: a value is missing", flag));
    *value = argv[i];
  }
  if (flags.backends.empty())
    return BadInput("--backend: which one? A name, or the path of a library");
  return flags;
}

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// Is a case of each of `profiles` expected of the backend?
Status CheckRequired(const std::string& name, const Claims& claims,
                     const std::vector<const Case*>& cases,
                     const std::vector<std::string>& profiles) {
  for (const std::string& profile : profiles) {
    const bool any = std::any_of(cases.begin(), cases.end(), [&](const Case* value) {
      const std::vector<std::string>& of_case = value->profiles;
      return std::find(of_case.begin(), of_case.end(), profile) != of_case.end() &&
             ExpectationOf(claims, *value).expected;
    });
    if (!any) return BadInput(fmt::format("{}: does not claim profile {}", name, profile));
  }
  return {};
}

Status AddBackend(const std::string& name, const std::vector<const Case*>& cases,
                  const std::vector<std::string>& required, std::deque<SuiteBackend>& backends) {
  const Result<BackendSpec> spec = ResolveBackend(name);
  if (!spec.ok()) return spec.status();
  Result<std::unique_ptr<Session>> session = Session::Open(*spec, {});
  if (!session.ok()) return session.status();
  SuiteBackend& backend = backends.emplace_back();
  backend.name = (*session)->claims().name;
  backend.session = std::move(*session);
  backend.options.arithmetic = backend.session->claims().arithmetic;
  if (Status status = CheckRequired(name, backend.session->claims(), cases, required);
      !status.ok()) {
    return status;
  }
  const Registered registered = RegisterBackend(backend, cases);
  fmt::print("{}: {} tests; {} of {} cases are not expected of it and have none\n", name,
             registered.tests, registered.not_expected, cases.size());
  if (registered.tests == 0) return BadInput(name + ": no case is expected of it");
  return {};
}

Status Prepare(int argc, char** argv, const CaseSet& set, std::deque<SuiteBackend>& backends) {
  const Result<Flags> flags = ReadFlags(argc, argv);
  if (!flags.ok()) return flags.status();
  const std::optional<Tier> tier = ParseTier(flags->tier);
  if (!tier) return BadInput(fmt::format("--tier '{}': smoke, ci or full", flags->tier));
  if (Status status = JudgeSelfCheck(); !status.ok()) return status;
  std::vector<std::string> required;
  if (!flags->required.empty()) required = Split(flags->required);
  if (Status status = CheckProfiles(required); !status.ok()) return status;
  const std::vector<const Case*> cases = SelectCases(set, {.tier = *tier});
  for (const std::string& name : Split(flags->backends)) {
    if (Status status = AddBackend(name, cases, required, backends); !status.ok()) return status;
  }
  return {};
}

int Main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);  // takes its own flags away
  const Result<CaseSet> set = LoadCases();
  std::deque<SuiteBackend> backends;  // tests keep references
  const Status status = set.ok() ? Prepare(argc, argv, *set, backends) : set.status();
  if (!status.ok()) {
    fmt::print(stderr, "attest_suite: {}\n", status.message());
    return static_cast<int>(status.code());
  }
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace attest

int main(int argc, char** argv) { return attest::Main(argc, argv); }
