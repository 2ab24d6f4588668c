// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/run_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <utility>

#include "conformance/report/html.h"
#include "conformance/report/junit.h"
#include "conformance/report/records_file.h"
#include "conformance/run/files.h"
#include "spec/vocabulary/digest.h"

namespace attest {
namespace {

// In the order in which a certificate lists them; the journal only where there is one.
constexpr std::array kBoundFiles = {kRecordsFile, kReportFile, kJUnitFile, kJournalFile};

std::string In(const std::string& directory, std::string_view file) {
  return (std::filesystem::path(directory) / file).string();
}

bool Exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

Result<std::vector<FileDigest>> DigestFiles(const std::string& directory) {
  std::vector<FileDigest> digests;
  for (const std::string_view name : kBoundFiles) {
    if (name == kJournalFile && !Exists(In(directory, name))) continue;
    Result<std::string> digest = Sha256HexOfFile(In(directory, name));
    if (!digest.ok()) return EnvironmentError(digest.status().message());
    digests.push_back({std::string(name), std::move(*digest)});
  }
  return digests;
}

// Damage to the files that the certificate binds. A certificate cannot name files of its own
// choice, so that a hostile one cannot make us read outside its directory.
std::vector<std::string> CheckFiles(const std::string& path, const Certificate& certificate) {
  std::vector<std::string> damage;
  std::set<std::string_view> listed;
  for (const FileDigest& file : certificate.files) {
    const auto known = std::find(kBoundFiles.begin(), kBoundFiles.end(), file.name);
    if (known == kBoundFiles.end()) {
      damage.push_back(fmt::format("{}: names a file '{}' that no run writes",
                                   In(path, kCertificateFile), file.name));
      continue;
    }
    listed.insert(*known);
    const std::string full = In(path, *known);
    const Result<std::string> digest = Sha256HexOfFile(full);
    if (!digest.ok()) {
      damage.push_back(digest.status().message());
    } else if (*digest != file.sha256) {
      damage.push_back(fmt::format("{}: changed after the run: SHA-256 {}, certified {}", full,
                                   *digest, file.sha256));
    }
  }
  for (const std::string_view name : {kRecordsFile, kReportFile, kJUnitFile}) {
    if (!listed.contains(name)) {
      damage.push_back(fmt::format("{}: does not bind {}", In(path, kCertificateFile), name));
    }
  }
  return damage;
}

// Of the same cases. Not operator==: a NaN among the numbers of a record differs from itself.
bool SameWaivers(const std::vector<Record>& a, const std::vector<Record>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Record& x, const Record& y) {
    return x.verdict == y.verdict && x.waiver == y.waiver;
  });
}

template <typename T>
void Compare(std::vector<std::string>& lines, std::string_view what, const T& certified,
             const T& derived) {
  if (certified == derived) return;
  lines.push_back(
      fmt::format("{}: the certificate says {}, its records say {}", what, certified, derived));
}

}  // namespace

Status WriteRunDirectory(const std::string& directory, const Report& report,
                         const Evidence& evidence) {
  const std::pair<std::string_view, std::string> texts[] = {
      {kRecordsFile, RecordsText(report)},
      {kReportFile, HtmlText(report)},
      {kJUnitFile, JUnitText(report)},
  };
  for (const auto& [name, text] : texts) {
    if (Status status = WriteFileAtomically(In(directory, name), text); !status.ok()) return status;
  }
  Result<std::vector<FileDigest>> digests = DigestFiles(directory);
  if (!digests.ok()) return digests.status();
  const Result<std::string> text =
      CertificateText(CertificateOf(report, evidence, std::move(*digests)));
  if (!text.ok()) return text.status();
  return WriteFileAtomically(In(directory, kCertificateFile), *text);
}

Result<RunDirectory> ReadRunDirectory(const std::string& path) {
  const std::string file = In(path, kCertificateFile);
  const Result<std::string> text = ReadFile(file);
  if (!text.ok()) return text.status();
  RunDirectory run{.path = path};
  Result<Certificate> certificate = ParseCertificate(file, *text);
  if (!certificate.ok()) {
    run.damage.push_back(certificate.status().message());
    return run;
  }
  run.certificate = std::move(*certificate);
  run.damage = CheckFiles(path, run.certificate);
  if (!run.damage.empty()) return run;
  const Result<std::string> lines = ReadFile(In(path, kRecordsFile));
  if (!lines.ok()) return lines.status();
  Result<std::vector<Record>> records = ParseRecords(In(path, kRecordsFile), *lines);
  if (records.ok()) {
    run.records = std::move(*records);
  } else {
    run.damage.push_back(records.status().message());
  }
  return run;
}

Result<RunDirectory> ReadIntactRunDirectory(const std::string& path) {
  Result<RunDirectory> run = ReadRunDirectory(path);
  if (run.ok() && !run->damage.empty()) return BadInput(run->damage.front());
  return run;
}

Result<std::vector<std::string>> Contradictions(const RunDirectory& run, const Spec& spec) {
  const Certificate& certificate = run.certificate;
  if (certificate.info.case_set_digest != spec.cases.digest) {
    return BadInput(fmt::format(
        "{}: written by attest {} with case set {}; this is attest {} with case set {}, so the "
        "verdict cannot be derived again here",
        run.path, certificate.info.suite_version, certificate.info.case_set_digest, SuiteVersion(),
        spec.cases.digest));
  }
  const Selection& selection = certificate.info.selection;
  std::vector<CaseAccount> accounts =
      AccountFor(SelectCases(spec.cases, selection), certificate.claims);
  std::vector<Record> records = run.records;
  const Evidence evidence{
      .clauses = &spec.clauses,
      .accept_problems = ApplyAccept(certificate.accepted, accounts, spec.clauses,
                                     std::string_view(certificate.info.date).substr(0, 10),
                                     selection.partial(), records),
      .faults = certificate.faults,
      .of_drafter = !certificate.info.drafter.file.empty()};
  std::vector<std::string> lines;
  if (!SameWaivers(records, run.records)) {
    lines.emplace_back("waivers: not those that the entries allow");
  }
  const Summary summary = Summarise(selection, std::move(accounts), records, evidence);
  const Certificate derived = CertificateOf(
      {.info = certificate.info, .records = records, .summary = summary}, evidence, {});
  Compare(lines, "verdict", Name(certificate.verdict), Name(derived.verdict));
  Compare(lines, "counts", Describe(certificate.tally), Describe(derived.tally));
  Compare(lines, "headline", certificate.headline, derived.headline);
  Compare(lines, "rows judged", certificate.sampled_rows_judged, derived.sampled_rows_judged);
  Compare(lines, "rows", certificate.sampled_rows_total, derived.sampled_rows_total);
  Compare(lines, "sampled cases", certificate.sampled, derived.sampled);
  if (certificate.exclusions != derived.exclusions) {
    lines.emplace_back("exclusions: other counts than those that follow from the claims");
  }
  Compare(lines, "outside", certificate.outside, derived.outside);
  Compare(lines, "excluded", certificate.excluded, derived.excluded);
  Compare(lines, "not applicable", certificate.not_applicable, derived.not_applicable);
  if (certificate.profiles != derived.profiles) {
    lines.emplace_back("profiles: other verdicts than those that follow from the records");
  }
  if (certificate.waived != derived.waived) {
    lines.emplace_back("waivers: other cases than those in the records");
  }
  return lines;
}

}  // namespace attest
