// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/certificate.h"

#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "conformance/report/claims_json.h"
#include "conformance/run/protocol_claims.h"
#include "spec/vocabulary/digest.h"
#include "spec/vocabulary/json_object.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

std::string Seal(const Json& without_seal) {
  return "sha256:" + Sha256Hex(IndentedText(without_seal));
}

// ---- Writing

Json HostsToJson(const std::vector<HostInfo>& hosts) {
  Json list = Json::array();
  for (const HostInfo& host : hosts) {
    list.push_back({{"system", host.system}, {"processor", host.processor}, {"cores", host.cores}});
  }
  return list;
}

Json RunToJson(const RunInfo& info) {
  Json json = {
      {"tier", Name(info.selection.tier)},
      {"profiles_requested", info.selection.profiles},
      {"filter", info.selection.filter},
      {"shard", fmt::format("{}/{}", info.selection.shard.index, info.selection.shard.count)},
      {"seed", info.seed},
      {"arithmetic", ToJson(info.arithmetic)},
      {"date", info.date},
      {"hosts", HostsToJson(info.hosts)}};
  if (!info.drafter.file.empty()) {
    json["drafter"] = {{"file", info.drafter.file}, {"config", Json::parse(info.drafter.config)}};
  }
  return json;
}

// "98.0%"; "0%" of nothing. For readers; the numbers stand beside it.
std::string ShareWord(std::int64_t part, std::int64_t whole) {
  if (part == 0) return "0%";
  return fmt::format("{:.3g}%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

Json ResultToJson(const Certificate& certificate) {
  Json counts = Json::object();
  for (const Verdict verdict : kAllVerdicts) {
    counts[std::string(Name(verdict))] = certificate.tally.Of(verdict);
  }
  Json profiles = Json::object();
  for (const auto& [name, verdict] : certificate.profiles) profiles[name] = Name(verdict);
  Json exclusions = Json::object();
  for (const ExcludedOf& profile : certificate.exclusions) {
    exclusions[profile.profile] = {{"in_claims", profile.in_claims},
                                   {"excluded", profile.excluded},
                                   {"share", ShareWord(profile.excluded, profile.in_claims)}};
  }
  const Json sampled = {
      {"cases", certificate.sampled},
      {"rows_judged", certificate.sampled_rows_judged},
      {"rows_total", certificate.sampled_rows_total},
      {"share", ShareWord(certificate.sampled_rows_judged, certificate.sampled_rows_total)}};
  return {{"verdict", Name(certificate.verdict)},
          {"headline", certificate.headline},
          {"because", certificate.because},
          {"accept_problems", certificate.accept_problems},
          {"faults", certificate.faults},
          {"expected", certificate.tally.Total()},
          {"outside", certificate.outside},
          {"excluded", certificate.excluded},
          {"not_applicable", certificate.not_applicable},
          {"counts", counts},
          {"sampled", sampled},
          {"profiles", profiles},
          {"exclusions", exclusions},
          {"incidents", certificate.incidents}};
}

Json WaiversToJson(const Certificate& certificate) {
  Json entries = Json::array();
  for (const AcceptEntry& entry : certificate.accepted) entries.push_back(ToJson(entry));
  Json cases = Json::array();
  for (const auto& [id, waiver] : certificate.waived) {
    cases.push_back({{"case", id}, {"waiver", waiver}});
  }
  return {{"entries", entries}, {"cases", cases}};
}

Json FilesToJson(const std::vector<FileDigest>& files) {
  Json list = Json::array();
  for (const FileDigest& file : files)
    list.push_back({{"name", file.name}, {"sha256", file.sha256}});
  return list;
}

// ---- Reading

// Calls `read` for each element of the list `key`; the first failure is returned.
template <typename Read>
Status ReadList(JsonObject& object, const char* key, const Read& read) {
  const Json* list = object.Required(key);
  if (list == nullptr) return {};  // Done() says so
  if (!list->is_array()) return BadInput(fmt::format("{}: not a list", object.PathOf(key)));
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string path = fmt::format("{}[{}]", object.PathOf(key), i);
    if (Status status = read((*list)[i], path); !status.ok()) return status;
  }
  return {};
}

Status ReadSuite(const Json& json, RunInfo& info) {
  JsonObject object(json, "suite");
  info.suite_version = object.String("version");
  info.executable_sha256 = object.String("executable_sha256");
  info.case_set_digest = object.String("case_set");
  info.abi_version = object.String("abi");
  return object.Done();
}

Status ReadBackend(const Json& json, Certificate& certificate) {
  JsonObject object(json, "backend");
  certificate.info.backend = object.String("argument");
  certificate.info.backend_sha256 = object.String("library_sha256");
  certificate.info.selector = object.String("selector");
  const Json* claims = object.Required("claims");
  if (Status status = object.Done(); !status.ok()) return status;
  Result<Claims> read = ClaimsFromJson(*claims);
  if (!read.ok()) return read.status();
  certificate.claims = std::move(*read);
  return {};
}

Status ReadHost(const Json& json, const std::string& path, std::vector<HostInfo>& hosts) {
  JsonObject object(json, path);
  hosts.push_back({.system = object.String("system"),
                   .processor = object.String("processor"),
                   .cores = static_cast<int>(object.Integer("cores"))});
  return object.Done();
}

Status ReadSelection(JsonObject& object, Selection& selection) {
  const std::optional<Tier> tier = ParseTier(object.String("tier"));
  const Result<Shard> shard = ParseShard(object.String("shard"));
  if (!tier) return BadInput("run.tier: unknown");
  if (!shard.ok()) return BadInput("run.shard: " + shard.status().message());
  selection = {.tier = *tier,
               .profiles = object.Strings("profiles_requested"),
               .filter = object.String("filter"),
               .shard = *shard};
  return {};
}

Status ReadRun(const Json& json, RunInfo& info) {
  JsonObject object(json, "run");
  if (Status status = ReadSelection(object, info.selection); !status.ok()) return status;
  info.seed = static_cast<std::uint64_t>(object.Integer("seed"));
  info.date = object.String("date");
  const Json* arithmetic = object.Required("arithmetic");
  if (const Json* given = object.Optional("drafter")) {
    JsonObject drafter(*given, "run.drafter");
    info.drafter.file = drafter.String("file");
    if (const Json* config = drafter.Required("config")) info.drafter.config = LineText(*config);
    if (Status status = drafter.Done(); !status.ok()) return status;
  }
  const Status hosts = ReadList(object, "hosts", [&](const Json& item, const std::string& path) {
    return ReadHost(item, path, info.hosts);
  });
  if (Status status = object.Done(); !status.ok()) return status;
  Result<Arithmetic> read = ArithmeticFromJson(*arithmetic, "run.arithmetic");
  if (!read.ok()) return read.status();
  info.arithmetic = std::move(*read);
  return hosts;
}

Status ReadCounts(const Json& json, Tally& tally) {
  JsonObject object(json, "result.counts");
  for (const Verdict verdict : kAllVerdicts) {
    tally.counts[static_cast<std::size_t>(verdict)] =
        static_cast<int>(object.Integer(Name(verdict)));
  }
  return object.Done();
}

Status ReadProfiles(const Json& json, Certificate& certificate) {
  JsonObject object(json, "result.profiles");
  for (const auto& [name, value] : json.items()) {
    const auto verdict = ParseProfileVerdict(object.String(name));
    if (!verdict) object.Fail(name, "unknown verdict");
    certificate.profiles.emplace_back(name, verdict.value_or(ProfileVerdict::kNotClaimed));
  }
  return object.Done();
}

Status ReadSampled(const Json& json, Certificate& certificate) {
  JsonObject object(json, "result.sampled");
  certificate.sampled = static_cast<int>(object.Integer("cases"));
  certificate.sampled_rows_judged = object.Integer("rows_judged");
  certificate.sampled_rows_total = object.Integer("rows_total");
  object.String("share");  // of the numbers above; it is there for readers
  return object.Done();
}

Status ReadExclusions(const Json& json, Certificate& certificate) {
  JsonObject object(json, "result.exclusions");
  for (const auto& [name, value] : json.items()) {
    const Json* entry = object.Required(name);
    JsonObject numbers(*entry, object.PathOf(name));
    certificate.exclusions.push_back({.profile = name,
                                      .in_claims = static_cast<int>(numbers.Integer("in_claims")),
                                      .excluded = static_cast<int>(numbers.Integer("excluded"))});
    numbers.String("share");
    if (Status status = numbers.Done(); !status.ok()) return status;
  }
  return object.Done();
}

Status ReadResult(const Json& json, Certificate& certificate) {
  JsonObject object(json, "result");
  const std::optional<RunVerdict> verdict = ParseRunVerdict(object.String("verdict"));
  if (!verdict) object.Fail("verdict", "unknown");
  certificate.verdict = verdict.value_or(RunVerdict::kVoid);
  certificate.headline = object.String("headline");
  certificate.because = object.Strings("because");
  certificate.accept_problems = object.Strings("accept_problems");
  certificate.faults = object.Strings("faults");
  object.Integer("expected");  // the sum of the counts; it is there for readers
  certificate.outside = static_cast<int>(object.Integer("outside"));
  certificate.excluded = static_cast<int>(object.Integer("excluded"));
  certificate.not_applicable = static_cast<int>(object.Integer("not_applicable"));
  const Json* counts = object.Required("counts");
  const Json* profiles = object.Required("profiles");
  const Json* sampled = object.Required("sampled");
  const Json* exclusions = object.Required("exclusions");
  certificate.incidents = object.Strings("incidents");
  if (Status status = object.Done(); !status.ok()) return status;
  for (const Status& status :
       {ReadCounts(*counts, certificate.tally), ReadSampled(*sampled, certificate),
        ReadExclusions(*exclusions, certificate)}) {
    if (!status.ok()) return status;
  }
  return ReadProfiles(*profiles, certificate);
}

Status ReadWaivedCase(const Json& json, const std::string& path, Certificate& certificate) {
  JsonObject object(json, path);
  certificate.waived.emplace_back(object.String("case"), object.String("waiver"));
  return object.Done();
}

Status ReadWaivers(const Json& json, Certificate& certificate) {
  JsonObject object(json, "waivers");
  const auto read_entry = [&](const Json& item, const std::string& path) -> Status {
    Result<AcceptEntry> entry = AcceptEntryFromJson(item, path);
    if (!entry.ok()) return entry.status();
    certificate.accepted.push_back(std::move(*entry));
    return {};
  };
  const auto read_case = [&](const Json& item, const std::string& path) {
    return ReadWaivedCase(item, path, certificate);
  };
  if (Status status = ReadList(object, "entries", read_entry); !status.ok()) return status;
  if (Status status = ReadList(object, "cases", read_case); !status.ok()) return status;
  return object.Done();
}

Status ReadFileDigest(const Json& json, const std::string& path, std::vector<FileDigest>& files) {
  JsonObject object(json, path);
  files.push_back({.name = object.String("name"), .sha256 = object.String("sha256")});
  return object.Done();
}

// Kind and format come first, so that a certificate of another version is called that.
Status CheckSealed(std::string_view file, const std::string& text, const Json& json) {
  JsonObject object(json, "");
  if (object.String("attest") != "certificate") object.Fail("attest", "not a certificate");
  if (const std::int64_t format = object.Integer("format"); format != kCertificateFormat) {
    object.Fail("format", fmt::format("{}, this program reads {}", format, kCertificateFormat));
  }
  const std::string seal = object.String("seal");
  for (const auto& [key, value] : json.items()) object.Optional(key);
  if (Status status = object.Done(); !status.ok()) return WithPlace(file, text, status);
  Json unsealed = json;
  unsealed.erase("seal");
  if (Seal(unsealed) != seal || IndentedText(json) + "\n" != text) {
    return BadInput(fmt::format("{}: the seal does not fit: changed after the run", file));
  }
  return {};
}

Result<Certificate> FromJson(const Json& json) {
  Certificate certificate;
  JsonObject object(json, "");
  for (const char* checked : {"attest", "format", "seal"}) object.Required(checked);
  const Json* suite = object.Required("suite");
  const Json* backend = object.Required("backend");
  const Json* run = object.Required("run");
  const Json* result = object.Required("result");
  const Json* waivers = object.Required("waivers");
  const Status files = ReadList(object, "files", [&](const Json& item, const std::string& path) {
    return ReadFileDigest(item, path, certificate.files);
  });
  if (Status status = object.Done(); !status.ok()) return status;
  for (const Status& status :
       {ReadSuite(*suite, certificate.info), ReadBackend(*backend, certificate),
        ReadRun(*run, certificate.info), ReadResult(*result, certificate),
        ReadWaivers(*waivers, certificate), files}) {
    if (!status.ok()) return status;
  }
  return certificate;
}

}  // namespace

Certificate CertificateOf(const Report& report, const Evidence& evidence,
                          std::vector<FileDigest> files) {
  const Summary& summary = report.summary;
  Certificate certificate{.info = report.info,
                          .claims = report.claims,
                          .accepted = report.accepted,
                          .verdict = summary.verdict,
                          .headline = Headline(summary),
                          .because = summary.because,
                          .accept_problems = evidence.accept_problems,
                          .faults = evidence.faults,
                          .outside = summary.outside,
                          .excluded = summary.excluded,
                          .not_applicable = summary.not_applicable,
                          .tally = summary.tally,
                          .sampled = summary.sampled,
                          .sampled_rows_judged = summary.sampled_rows_judged,
                          .sampled_rows_total = summary.sampled_rows_total,
                          .incidents = report.incidents,
                          .files = std::move(files)};
  for (const Record& record : report.records) {
    if (record.verdict == Verdict::kWaived) {
      certificate.waived.emplace_back(record.case_id, record.waiver);
    }
  }
  for (const ProfileSummary& profile : summary.profiles) {
    if (!profile.judged) continue;
    certificate.profiles.emplace_back(profile.name, profile.verdict);
    certificate.exclusions.push_back({profile.name, profile.InClaims(), profile.excluded});
  }
  return certificate;
}

Result<std::string> CertificateText(const Certificate& certificate) {
  const RunInfo& info = certificate.info;
  Result<Json> claims = ClaimsToJson(certificate.claims);
  if (!claims.ok()) return claims.status();
  Json json = {{"attest", "certificate"},
               {"format", kCertificateFormat},
               {"suite",
                {{"version", info.suite_version},
                 {"executable_sha256", info.executable_sha256},
                 {"case_set", info.case_set_digest},
                 {"abi", info.abi_version}}},
               {"backend",
                {{"argument", info.backend},
                 {"library_sha256", info.backend_sha256},
                 {"selector", info.selector},
                 {"claims", *claims}}},
               {"run", RunToJson(info)},
               {"result", ResultToJson(certificate)},
               {"waivers", WaiversToJson(certificate)},
               {"files", FilesToJson(certificate.files)}};
  json["seal"] = Seal(json);
  return IndentedText(json) + "\n";
}

Result<Certificate> ParseCertificate(std::string_view file, const std::string& text) {
  const Result<Json> json = ParseJson(file, text);
  if (!json.ok()) return json.status();
  if (Status status = CheckSealed(file, text, *json); !status.ok()) return status;
  Result<Certificate> certificate = FromJson(*json);
  if (!certificate.ok()) return WithPlace(file, text, certificate.status());
  const Result<std::string> canonical = CertificateText(*certificate);
  if (!canonical.ok()) return canonical.status();
  if (*canonical == text) return certificate;
  return BadInput(
      fmt::format("{}: sealed, but not by a run: it reads back as something else", file));
}

std::string SealOf(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return {};
  const auto seal = json.find("seal");
  return seal != json.end() && seal->is_string() ? seal->get<std::string>() : std::string();
}

}  // namespace attest
