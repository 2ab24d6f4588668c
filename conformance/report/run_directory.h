// SPDX-License-Identifier: Apache-2.0
//
// The directory that `attest certify --out DIR` leaves behind: written, read back, verified.
#ifndef ATTEST_CONFORMANCE_REPORT_RUN_DIRECTORY_H_
#define ATTEST_CONFORMANCE_REPORT_RUN_DIRECTORY_H_

#include <string>
#include <string_view>
#include <vector>

#include "conformance/report/certificate.h"
#include "conformance/report/report.h"
#include "spec/cases/spec.h"

namespace attest {

inline constexpr std::string_view kCertificateFile = "certificate.json";
inline constexpr std::string_view kRecordsFile = "records.jsonl";
inline constexpr std::string_view kReportFile = "report.html";
inline constexpr std::string_view kJUnitFile = "junit.xml";
inline constexpr std::string_view kJournalFile = "journal";

// Writes records.jsonl, report.html and junit.xml, each at once or not at all, and the certificate
// last: a directory without one is not finished. A journal that lies there is bound in too.
// Environment: the disk.
Status WriteRunDirectory(const std::string& directory, const Report& report,
                         const Evidence& evidence);

struct RunDirectory {
  std::string path;
  Certificate certificate;
  std::vector<Record> records;
  std::vector<std::string> damage;  // one line each; empty: every byte is as it was written
};

// Bad input: there is no certificate in the directory. A certificate or file that was changed is
// damage, not an error; after damage to the certificate nothing else is known.
Result<RunDirectory> ReadRunDirectory(const std::string& path);

// The same, where damage is bad input.
Result<RunDirectory> ReadIntactRunDirectory(const std::string& path);

// Derives verdict and counts again from the records and the spec of this program. Lines that say
// what the certificate has otherwise; empty: it says what its records say. Bad input: it was
// written by a suite with another case set, so this program cannot tell.
Result<std::vector<std::string>> Contradictions(const RunDirectory& run, const Spec& spec);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_RUN_DIRECTORY_H_
