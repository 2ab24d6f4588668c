// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/certify_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "conformance/cli/backend_runner.h"
#include "conformance/cli/drafter_problems.h"
#include "conformance/cli/out_dir.h"
#include "conformance/report/claims_json.h"
#include "conformance/report/run_directory.h"
#include "conformance/run/files.h"
#include "spec/vocabulary/digest.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

Result<Selection> ReadSelection(const CertifyFlags& flags) {
  const std::optional<Tier> tier = ParseTier(flags.tier);
  if (!tier) return BadInput(fmt::format("--tier '{}': smoke, ci or full", flags.tier));
  if (Status status = CheckProfiles(flags.profiles); !status.ok()) return status;
  const Result<Shard> shard = ParseShard(flags.shard);
  if (!shard.ok()) return shard.status();
  return Selection{
      .tier = *tier, .profiles = flags.profiles, .filter = flags.filter, .shard = *shard};
}

Result<std::vector<AcceptEntry>> ReadAcceptFile(const std::string& path, const Spec& spec) {
  if (path.empty()) return std::vector<AcceptEntry>{};
  const Result<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  Result<std::vector<AcceptEntry>> entries = ParseAccept(path, *text);
  if (!entries.ok()) return entries;
  if (Status status = CheckDeviations(*entries, spec.clauses); !status.ok()) return status;
  return entries;
}

Result<std::string> ReadDirectory(const CertifyFlags& flags) {
  if (flags.resume.empty()) {
    if (flags.out.empty()) return std::string();
    const std::string hint = fmt::format("use --resume {} to go on, or another --out", flags.out);
    if (Status status = PrepareOutDir(flags.out, hint); !status.ok()) return status;
    return flags.out;
  }
  if (!flags.out.empty() && flags.out != flags.resume) {
    return BadInput("--out and --resume name different directories; --resume alone is enough");
  }
  std::error_code error;
  if (!std::filesystem::is_regular_file(JournalPath(flags.resume), error)) {
    return BadInput(fmt::format("--resume {}: there is no journal to go on from", flags.resume));
  }
  return flags.resume;
}

int JobsOf(const CertifyFlags& flags, std::size_t cases) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int wanted = flags.jobs > 0 ? flags.jobs : cores;
  return std::clamp(wanted, 1, static_cast<int>(std::max<std::size_t>(cases, 1)));
}

// The part that needs no backend.
Status ReadInputs(const CertifyFlags& flags, CertifyPlan& plan) {
  if (flags.jobs < 0) return BadInput("--jobs: at least 1");
  if (!(flags.deadline_floor_s > 0)) return BadInput("--deadline-floor: more than 0 seconds");
  Result<Selection> selection = ReadSelection(flags);
  if (!selection.ok()) return selection.status();
  Result<DrafterOfRun> drafter = ReadDrafter(flags.drafter);
  if (!drafter.ok()) return drafter.status();
  Result<Spec> spec = LoadSpecOf(*drafter);
  if (!spec.ok()) return spec.status();
  plan.spec = std::move(*spec);
  Selection unsharded = *selection;
  unsharded.shard = {};
  if (SelectCases(plan.spec.cases, unsharded).empty()) {
    return BadInput(flags.filter.empty() ? fmt::format("--tier {}: no case", flags.tier)
                                         : fmt::format("--filter '{}': no case of tier {} matches",
                                                       flags.filter, flags.tier));
  }
  Result<std::vector<AcceptEntry>> accepted = ReadAcceptFile(flags.accept, plan.spec);
  if (!accepted.ok()) return accepted.status();
  plan.accepted = std::move(*accepted);
  Result<BackendSpec> backend = ResolveBackend(flags.backend);
  if (!backend.ok()) return backend.status();
  plan.backend = std::move(*backend);
  Result<RunInfo> info = DescribeRun(plan.backend, plan.spec.cases.digest);
  if (!info.ok()) return info.status();
  plan.info = std::move(*info);
  plan.info.drafter = std::move(*drafter);
  plan.info.selection = std::move(*selection);
  plan.info.seed = flags.seed;
  return {};
}

}  // namespace

Result<CertifyPlan> MakePlan(const CertifyFlags& flags) {
  CertifyPlan plan;
  if (Status status = ReadInputs(flags, plan); !status.ok()) return status;
  Result<std::string> directory = ReadDirectory(flags);
  if (!directory.ok()) return directory.status();
  plan.directory = std::move(*directory);
  plan.resuming = !flags.resume.empty();
  plan.session.deadline_floor_s = flags.deadline_floor_s;
  Result<Claims> claims = ReadClaims(plan.backend, plan.session);
  if (!claims.ok()) return claims.status();
  plan.claims = std::move(*claims);
  Result<Arithmetic> arithmetic = TightenArithmetic(plan.claims, flags.arithmetic);
  if (!arithmetic.ok()) return arithmetic.status();
  plan.info.arithmetic = std::move(*arithmetic);
  plan.accounts = AccountFor(SelectCases(plan.spec.cases, plan.info.selection), plan.claims);
  const auto expected = std::count_if(
      plan.accounts.begin(), plan.accounts.end(),
      [](const CaseAccount& account) { return account.standing == Standing::kExpected; });
  plan.jobs = JobsOf(flags, static_cast<std::size_t>(expected));
  return plan;
}

JournalHeader HeaderOf(const CertifyPlan& plan) {
  const RunInfo& info = plan.info;
  const Selection& selection = info.selection;
  const Result<nlohmann::ordered_json> claims = ClaimsToJson(plan.claims);
  nlohmann::ordered_json accepted = nlohmann::ordered_json::array();
  for (const AcceptEntry& entry : plan.accepted) accepted.push_back(ToJson(entry));
  return {.suite = info.case_set_digest,
          .backend = fmt::format("{}:{}", info.backend_sha256, info.selector),
          .seed = info.seed,
          .tier = std::string(Name(selection.tier)),
          .shard = fmt::format("{}/{}", selection.shard.index, selection.shard.count),
          .options = {{"program", info.executable_sha256},
                      {"--backend", info.backend},
                      {"--profile", fmt::format("{}", fmt::join(selection.profiles, ","))},
                      {"--filter", selection.filter},
                      {"--arithmetic", LineText(ToJson(info.arithmetic))},
                      {"--deadline-floor", fmt::format("{}", plan.session.deadline_floor_s)},
                      {"--accept", LineText(accepted)},
                      {"claims", Sha256Hex(claims.ok() ? LineText(*claims) : "")}}};
}

std::string ResumeCommand(const CertifyFlags& flags, const CertifyPlan& plan) {
  std::string command = fmt::format("attest certify --resume '{}' --backend '{}' --tier {}",
                                    plan.directory, flags.backend, flags.tier);
  for (const std::string& profile : flags.profiles) command += " --profile " + profile;
  const auto add = [&](std::string_view flag, const std::string& value) {
    if (!value.empty()) command += fmt::format(" {} '{}'", flag, value);
  };
  if (flags.seed != 0) command += fmt::format(" --seed {}", flags.seed);
  if (flags.jobs != 0) command += fmt::format(" --jobs {}", flags.jobs);
  if (flags.deadline_floor_s != CertifyFlags{}.deadline_floor_s) {
    command += fmt::format(" --deadline-floor {}", flags.deadline_floor_s);
  }
  add("--filter", flags.filter);
  add("--drafter", flags.drafter);
  add("--shard", flags.shard == "1/1" ? "" : flags.shard);
  add("--accept", flags.accept);
  add("--arithmetic", flags.arithmetic);
  return command;
}

}  // namespace attest
