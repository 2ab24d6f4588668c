// SPDX-License-Identifier: Apache-2.0
//
// certificate.json: what was certified, under which claims, and the digests that bind it to the
// other files of the run. It ends with a seal, the SHA-256 of all that stands before it, so any
// changed byte is found. A seal is no signature: who can rewrite all files can also seal them anew.
// The seal shows damage and hasty editing; to know who made a certificate, publish its seal or sign
// the file.
#ifndef ATTEST_CONFORMANCE_REPORT_CERTIFICATE_H_
#define ATTEST_CONFORMANCE_REPORT_CERTIFICATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conformance/report/report.h"

namespace attest {

inline constexpr int kCertificateFormat = 1;

struct FileDigest {
  std::string name;  // within the directory of the certificate
  std::string sha256;
  bool operator==(const FileDigest&) const = default;
};

struct ExcludedOf {
  std::string profile;
  int in_claims = 0;  // cases
  int excluded = 0;   // of them
  bool operator==(const ExcludedOf&) const = default;
};

struct Certificate {
  RunInfo info;
  Claims claims;
  std::vector<AcceptEntry> accepted;
  std::vector<std::pair<std::string, std::string>> waived;  // case id, waiver
  RunVerdict verdict = RunVerdict::kNotClaimed;
  std::string headline;  // of the first page: Headline
  std::vector<std::string> because;
  std::vector<std::string> accept_problems;  // part of `because`
  std::vector<std::string> faults;           // of ours, part of `because`
  int outside = 0;
  int excluded = 0;
  int not_applicable = 0;
  Tally tally;
  int sampled = 0;  // cases too long to judge in every row
  std::int64_t sampled_rows_judged = 0;
  std::int64_t sampled_rows_total = 0;
  std::vector<std::pair<std::string, ProfileVerdict>> profiles;
  std::vector<ExcludedOf> exclusions;  // of each of the profiles
  std::vector<std::string> incidents;  // conformance/report/report.h
  std::vector<FileDigest> files;
  bool operator==(const Certificate&) const = default;
};

Certificate CertificateOf(const Report& report, const Evidence& evidence,
                          std::vector<FileDigest> files);

// The canonical text, seal included. Internal error: the claims cannot be written.
Result<std::string> CertificateText(const Certificate& certificate);

// Bad input: `text` is not byte for byte what CertificateText writes: damaged, edited, or of
// another format version.
Result<Certificate> ParseCertificate(std::string_view file, const std::string& text);

// The seal that stands in a certificate's text; empty if there is none.
std::string SealOf(const std::string& text);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_CERTIFICATE_H_
