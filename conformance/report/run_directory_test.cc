// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/run_directory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "conformance/report/records_file.h"
#include "conformance/report/test_report.h"

namespace attest {
namespace {

namespace fs = std::filesystem;

std::string Contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void Overwrite(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

// A finished run in a directory of its own.
class RunDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = fs::path(testing::TempDir()) / (std::string("attest-run-") + info->name());
    fs::remove_all(directory_);
    fs::create_directories(directory_);
    Overwrite(directory_ / kJournalFile, "a journal\n");
    Write(GoodRun());
  }
  void TearDown() override { fs::remove_all(directory_); }

  void Write(const TestRun& run) {
    run_ = run;
    const Report report = run_.MakeReport();
    const Status status =
        WriteRunDirectory(directory_.string(), report, {.clauses = &run_.clauses});
    ASSERT_TRUE(status.ok()) << status.message();
  }

  RunDirectory Read() const {
    Result<RunDirectory> run = ReadRunDirectory(directory_.string());
    EXPECT_TRUE(run.ok()) << run.status().message();
    return *run;
  }

  Spec SpecOfRun() const {
    Spec spec;
    spec.clauses = run_.clauses;
    spec.cases = run_.set;
    return spec;
  }

  fs::path directory_;
  TestRun run_;
};

TEST_F(RunDirectoryTest, AFinishedRunIsIntactAndSaysWhatItsRecordsSay) {
  for (const TestRun& run : {GoodRun(), MixedRun()}) {
    Write(run);
    const RunDirectory read = Read();
    EXPECT_EQ(read.damage, std::vector<std::string>{});
    EXPECT_EQ(read.certificate.files.size(), 4U);
    Report again = run.MakeReport();
    again.records = read.records;
    EXPECT_EQ(RecordsText(again), Contents(directory_ / kRecordsFile));
    const auto lines = Contradictions(read, SpecOfRun());
    ASSERT_TRUE(lines.ok()) << lines.status().message();
    EXPECT_EQ(*lines, std::vector<std::string>{});
  }
}

TEST_F(RunDirectoryTest, AChangedByteOfAnyFileIsDamage) {
  for (const std::string_view name :
       {kCertificateFile, kRecordsFile, kReportFile, kJUnitFile, kJournalFile}) {
    const std::string text = Contents(directory_ / name);
    ASSERT_FALSE(text.empty()) << name;
    for (const std::size_t at :
         {std::size_t{0}, text.size() / 3, text.size() / 2, text.size() - 1}) {
      std::string changed = text;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      Overwrite(directory_ / name, changed);
      EXPECT_EQ(Read().damage.size(), 1U) << name << " at " << at;
    }
    Overwrite(directory_ / name, text);
  }
  EXPECT_TRUE(Read().damage.empty());
}

TEST_F(RunDirectoryTest, AFileThatIsGoneIsDamageAndACertificateThatIsGoneIsNoRun) {
  fs::remove(directory_ / kJUnitFile);
  EXPECT_EQ(Read().damage.size(), 1U);
  EXPECT_FALSE(ReadIntactRunDirectory(directory_.string()).ok());
  fs::remove(directory_ / kCertificateFile);
  const auto run = ReadRunDirectory(directory_.string());
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.status().code(), StatusCode::kBadInput);
}

TEST_F(RunDirectoryTest, ACertificateCannotPointOutsideItsDirectory) {
  Certificate certificate = Read().certificate;
  certificate.files.push_back({"../../etc/passwd", "00"});
  Overwrite(directory_ / kCertificateFile, *CertificateText(certificate));
  const RunDirectory run = Read();
  ASSERT_EQ(run.damage.size(), 1U);
  EXPECT_NE(run.damage[0].find("names a file '../../etc/passwd'"), std::string::npos);
}

TEST_F(RunDirectoryTest, ACertificateSealedAnewOverAnotherVerdictContradictsItsRecords) {
  Write(MixedRun());
  Certificate certificate = Read().certificate;
  certificate.verdict = RunVerdict::kConformant;
  certificate.because.clear();
  certificate.tally = {};
  certificate.waived.clear();
  certificate.profiles[0].second = ProfileVerdict::kConformant;
  Overwrite(directory_ / kCertificateFile, *CertificateText(certificate));
  const RunDirectory run = Read();
  EXPECT_TRUE(run.damage.empty()) << "a seal is no signature";
  const auto lines = Contradictions(run, SpecOfRun());
  ASSERT_TRUE(lines.ok());
  EXPECT_EQ(*lines,
            (std::vector<std::string>{
                "verdict: the certificate says conformant, its records say not conformant",
                "counts: the certificate says none, its records say pass 2, fail 3, refused 1, "
                "crash 1, missing 1, waived 1",
                "profiles: other verdicts than those that follow from the records",
                "waivers: other cases than those in the records"}));
}

TEST_F(RunDirectoryTest, ARunOfAnotherSuiteIsNotJudgedByThisOne) {
  Spec spec = SpecOfRun();
  spec.cases.digest = "another";
  const auto lines = Contradictions(Read(), spec);
  ASSERT_FALSE(lines.ok());
  EXPECT_EQ(lines.status().code(), StatusCode::kBadInput);
  EXPECT_NE(lines.status().message().find("written by attest 0.1.0 with case set cccc"),
            std::string::npos);
}

}  // namespace
}  // namespace attest
