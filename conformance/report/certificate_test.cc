// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/certificate.h"

#include <gtest/gtest.h>

#include "conformance/report/test_report.h"

namespace attest {
namespace {

Certificate MakeCertificate(const TestRun& run) {
  Certificate certificate = CertificateOf(run.MakeReport(), {}, {{"records.jsonl", "00ff"}});
  certificate.info.arithmetic = *ArithmeticByName("strict");
  certificate.claims.arithmetic.accumulate_qk = 2.5;
  certificate.claims.arithmetic.overrides = {{"accumulate_qk", 2.5}};
  return certificate;
}

TEST(Certificate, ReadsBackWhatWasWritten) {
  const Certificate certificate = MakeCertificate(MixedRun());
  const Result<std::string> text = CertificateText(certificate);
  ASSERT_TRUE(text.ok()) << text.status().message();
  const Result<Certificate> read = ParseCertificate("c.json", *text);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(*read, certificate);
}

TEST(Certificate, EveryChangedByteIsFound) {
  const Result<std::string> text = CertificateText(MakeCertificate(GoodRun()));
  ASSERT_TRUE(text.ok());
  for (std::size_t at = 0; at < text->size(); ++at) {
    // By one, and into the other case, in turn: a digest in capitals is another text.
    const int change = at % 2 == 0 ? 1 : 0x20;
    std::string changed = *text;
    changed[at] = static_cast<char>(changed[at] ^ change);
    ASSERT_FALSE(ParseCertificate("c.json", changed).ok())
        << "byte " << at << " '" << (*text)[at] << "' changed by " << change;
  }
}

TEST(Certificate, CutsAndExtraBytesAreFound) {
  const Result<std::string> text = CertificateText(MakeCertificate(GoodRun()));
  ASSERT_TRUE(text.ok());
  for (std::size_t size = 0; size < text->size(); size += 31) {
    ASSERT_FALSE(ParseCertificate("c.json", text->substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(ParseCertificate("c.json", *text + " ").ok());
  EXPECT_FALSE(ParseCertificate("c.json", "\xEF\xBB\xBF" + *text).ok());
}

TEST(Certificate, TheSealCoversEveryField) {
  const Certificate first = MakeCertificate(MixedRun());
  const auto seal_after = [&](auto change) {
    Certificate changed = first;
    change(changed);
    return SealOf(*CertificateText(changed));
  };
  const std::string seal = SealOf(*CertificateText(first));
  EXPECT_EQ(seal.substr(0, 7), "sha256:");
  EXPECT_NE(seal_after([](Certificate& c) { c.verdict = RunVerdict::kConformant; }), seal);
  EXPECT_NE(seal_after([](Certificate& c) { c.info.seed = 1; }), seal);
  EXPECT_NE(seal_after([](Certificate& c) { c.info.date = "2027-01-01T00:00:00Z"; }), seal);
  EXPECT_NE(seal_after([](Certificate& c) { c.claims.features ^= ATTEST_CLAIM_SINKS; }), seal);
  EXPECT_NE(seal_after([](Certificate& c) { c.claims.exclusions.clear(); }), seal);
  EXPECT_NE(seal_after([](Certificate& c) { c.accepted.clear(); }), seal);
  EXPECT_NE(seal_after([](Certificate& c) { c.tally.Add(Verdict::kPass); }), seal);
  EXPECT_NE(seal_after([](Certificate& c) { c.exclusions[0].excluded += 1; }), seal);
  EXPECT_NE(seal_after([](Certificate& c) { c.sampled_rows_judged += 1; }), seal);
  EXPECT_NE(seal_after([](Certificate& c) { c.incidents.emplace_back("signal 11"); }), seal);
  EXPECT_NE(seal_after([](Certificate& c) { c.files[0].sha256 = "00fe"; }), seal);
}

TEST(Certificate, AnotherFormatVersionSaysSo) {
  std::string text = *CertificateText(MakeCertificate(GoodRun()));
  text.replace(text.find("\"format\": 1"), 11, "\"format\": 2");
  const auto read = ParseCertificate("c.json", text);
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.status().message().find("format: 2, this program reads 1"), std::string::npos)
      << read.status().message();
}

}  // namespace
}  // namespace attest
