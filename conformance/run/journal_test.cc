// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/journal.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "conformance/run/files.h"
#include "spec/vocabulary/digest.h"

namespace attest {
namespace {

namespace fs = std::filesystem;

class JournalTest : public testing::Test {
 protected:
  void SetUp() override {
    // In memory where there is such a place: a sync of a real disk takes milliseconds, and there
    // are thousands.
    const std::string memory = "/dev/shm/";
    const std::string base = fs::is_directory(memory) ? memory : testing::TempDir();
    directory_ = base + "attest_journal_" + std::to_string(getpid());
    fs::remove_all(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string path() const { return JournalPath(directory_); }
  std::string Bytes() const { return *ReadFile(path()); }
  void Put(const std::string& bytes) const {
    ASSERT_TRUE(EnsureDirectory(directory_).ok());
    ASSERT_TRUE(WriteFileAtomically(path(), bytes).ok());
  }
  std::string OpenError(const JournalHeader& header, bool resume) const {
    return Journal::Open(directory_, header, resume).status().message();
  }

  std::string directory_;
};

JournalHeader Header() {
  return {.suite = "51ca",
          .backend = "cafe:flash",
          .seed = 7,
          .tier = "smoke",
          .shard = "1/2",
          .options = {{"filter", "masks/*"}}};
}

Record RecordOf(int number) {
  return {.case_id = "case/" + std::to_string(number),
          .content_hash = "h" + std::to_string(number),
          .seed = 7,
          .verdict = Verdict::kPass};
}

// Appends what is missing of records 0..count-1 and seals: what a resumed run does.
void Finish(const std::string& directory, int count) {
  Result<std::unique_ptr<Journal>> journal = Journal::Open(directory, Header(), true);
  ASSERT_TRUE(journal.ok()) << journal.status().message();
  for (int i = static_cast<int>((*journal)->found().size()); i < count; ++i) {
    ASSERT_TRUE((*journal)->Append(RecordOf(i)).ok());
  }
  ASSERT_TRUE((*journal)->Seal().ok());
}

// A line as the format says, for `json` after `bytes`.
std::string LineAfter(const std::string& bytes, const std::string& json) {
  const std::size_t last = bytes.rfind('\n', bytes.size() - 2) + 1;
  return Sha256Hex(bytes.substr(last, 16) + json).substr(0, 16) + " " + json + "\n";
}

TEST_F(JournalTest, GivesBackWhatWasAppended) {
  Finish(directory_, 3);
  const Result<JournalContents> contents = ReadJournal(path());
  ASSERT_TRUE(contents.ok()) << contents.status().message();
  EXPECT_EQ(contents->header, Header());
  EXPECT_EQ(contents->records, (std::vector<Record>{RecordOf(0), RecordOf(1), RecordOf(2)}));
  EXPECT_TRUE(contents->sealed);
  EXPECT_FALSE(contents->torn);
  EXPECT_EQ(contents->valid_bytes, Bytes().size());
}

TEST_F(JournalTest, IsUnsealedUntilSealed) {
  {
    auto journal = Journal::Open(directory_, Header(), false);
    ASSERT_TRUE(journal.ok());
    ASSERT_TRUE((*journal)->Append(RecordOf(0)).ok());
    EXPECT_FALSE(ReadJournal(path())->sealed);
    EXPECT_EQ(ReadJournal(path())->records.size(), 1U);  // no buffer stands between
  }
  EXPECT_FALSE(ReadJournal(path())->sealed);
}

TEST_F(JournalTest, CutAtAnyByteYieldsAPrefixAndResumesToTheSameBytes) {
  Finish(directory_, 3);
  const std::string whole = Bytes();
  const std::vector<Record> all = ReadJournal(path())->records;
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    Put(whole.substr(0, cut));
    const Result<JournalContents> contents = ReadJournal(path());
    if (whole.find('\n') >= cut) {
      EXPECT_FALSE(contents.ok()) << cut;
    } else {
      ASSERT_TRUE(contents.ok()) << cut << ": " << contents.status().message();
      EXPECT_EQ(contents->torn, whole[cut - 1] != '\n') << cut;
      EXPECT_FALSE(contents->sealed);
      ASSERT_LE(contents->records.size(), all.size());
      for (std::size_t i = 0; i < contents->records.size(); ++i) {
        EXPECT_EQ(contents->records[i], all[i]);
      }
    }
    Finish(directory_, 3);
    ASSERT_EQ(Bytes(), whole) << cut;
  }
}

TEST_F(JournalTest, AnyFlippedByteIsFound) {
  Finish(directory_, 3);
  const std::string whole = Bytes();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int bit : {0, 1, 5, 7}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ 1 << bit);
      Put(damaged);
      const Result<JournalContents> contents = ReadJournal(path());
      // Without the end of its line the seal is a torn line: the run counts as unfinished.
      EXPECT_TRUE(!contents.ok() || (i + 1 == whole.size() && !contents->sealed)) << i;
    }
  }
}

TEST_F(JournalTest, DamageIsNamedWithItsLine) {
  Finish(directory_, 3);
  const std::string whole = Bytes();
  const std::size_t second = whole.find('\n') + 1;
  std::string damaged = whole;
  damaged[second + 40] ^= 1;
  Put(damaged);
  EXPECT_EQ(ReadJournal(path()).status().message(),
            path() + ":2: damaged: the checksum does not fit");
  EXPECT_EQ(OpenError(Header(), true), path() + ":2: damaged: the checksum does not fit");
  EXPECT_EQ(Bytes(), damaged) << "a damaged journal was changed";

  const std::size_t third = whole.find('\n', second) + 1;
  Put(whole.substr(0, second) + whole.substr(third));
  EXPECT_EQ(ReadJournal(path()).status().message(),
            path() + ":2: damaged: the checksum does not fit");
  Put(whole + "more\n");
  EXPECT_FALSE(ReadJournal(path()).ok());
  Put(whole + "more");
  EXPECT_EQ(ReadJournal(path()).status().message(), path() + ":6: something stands after the seal");
}

TEST_F(JournalTest, ASecondRecordOfACaseIsRefusedWhenWrittenAndWhenRead) {
  {
    auto journal = Journal::Open(directory_, Header(), false);
    ASSERT_TRUE((*journal)->Append(RecordOf(0)).ok());
    const Status again = (*journal)->Append(RecordOf(0));
    EXPECT_EQ(again.code(), StatusCode::kInternal);
    EXPECT_EQ(again.message(), path() + ": a second record of case/0");
    ASSERT_TRUE((*journal)->Append(RecordOf(1)).ok());
  }
  EXPECT_EQ(ReadJournal(path())->records.size(), 2U);
  {
    auto resumed = Journal::Open(directory_, Header(), true);
    EXPECT_EQ((*resumed)->Append(RecordOf(1)).code(), StatusCode::kInternal);
  }
  Put(Bytes() + LineAfter(Bytes(), ToJson(RecordOf(0)).dump()));
  EXPECT_EQ(ReadJournal(path()).status().message(), path() + ":4: a second record of case/0");
}

TEST_F(JournalTest, ALineThatIsNoRecordIsNamedWithItsField) {
  Finish(directory_, 1);
  const std::string open = Bytes().substr(0, Bytes().rfind('\n', Bytes().size() - 2) + 1);
  Put(open + LineAfter(open, "{}"));
  EXPECT_EQ(ReadJournal(path()).status().message(), path() + ":3: record: \"case\" is missing");
  Put(open + LineAfter(open, "[1]"));
  EXPECT_EQ(ReadJournal(path()).status().message(), path() + ":3: not a JSON object");
  Put(open + LineAfter(open, R"({"seal":{"records":2,"sha256":"00"}})"));
  EXPECT_EQ(ReadJournal(path()).status().message(),
            path() + ":3: the seal does not fit what stands before it");
}

TEST_F(JournalTest, OnlyTheSameRunIsResumed) {
  Finish(directory_, 1);
  const std::string before = Bytes();
  const auto error = [&](auto change) {
    JournalHeader header = Header();
    change(header);
    return OpenError(header, true);
  };
  const std::string is = path() + ": this is a run with ";
  EXPECT_EQ(error([](auto& h) { h.suite = "other"; }), is + "suite '51ca', not 'other'");
  EXPECT_EQ(error([](auto& h) { h.backend = "beef"; }), is + "backend 'cafe:flash', not 'beef'");
  EXPECT_EQ(error([](auto& h) { h.seed = 8; }), is + "seed '7', not '8'");
  EXPECT_EQ(error([](auto& h) { h.tier = "ci"; }), is + "tier 'smoke', not 'ci'");
  EXPECT_EQ(error([](auto& h) { h.shard = "2/2"; }), is + "shard '1/2', not '2/2'");
  EXPECT_EQ(error([](auto& h) { h.options.clear(); }), is + "filter 'masks/*', not ''");
  EXPECT_EQ(error([](auto& h) { h.options["class"] = "strict"; }), is + "class '', not 'strict'");
  EXPECT_EQ(Bytes(), before);
}

TEST_F(JournalTest, ARunThatIsThereIsNotOverwritten) {
  Finish(directory_, 1);
  const std::string before = Bytes();
  EXPECT_EQ(OpenError(Header(), false),
            path() + ": there is a run already; resume it or choose another directory");
  EXPECT_EQ(Bytes(), before);
}

TEST_F(JournalTest, AFileThatIsNoJournalIsLeftAlone) {
  Put("notes of mine");
  EXPECT_EQ(OpenError(Header(), true), path() + ": no journal: there is no header");
  Put("notes\nof mine\n");
  EXPECT_EQ(OpenError(Header(), true), path() + ":1: damaged: not a checksum and an entry");
  EXPECT_EQ(Bytes(), "notes\nof mine\n");
}

TEST_F(JournalTest, TwoProcessesCannotWriteOneRun) {
  auto journal = Journal::Open(directory_, Header(), false);
  ASSERT_TRUE(journal.ok());
  EXPECT_EQ(OpenError(Header(), true), path() + ": another process is writing this run");
}

TEST_F(JournalTest, ASealedRunTakesNoMoreRecords) {
  Finish(directory_, 1);
  auto journal = Journal::Open(directory_, Header(), true);
  ASSERT_TRUE(journal.ok());
  EXPECT_TRUE((*journal)->sealed());
  EXPECT_TRUE((*journal)->Seal().ok());
  EXPECT_EQ((*journal)->Append(RecordOf(1)).code(), StatusCode::kInternal);
}

TEST_F(JournalTest, AWriterKilledAtAnyMomentLosesNothingItHasWritten) {
  Finish(directory_ + "/whole", 200);
  const std::string whole = *ReadFile(JournalPath(directory_ + "/whole"));
  for (int round = 0; round < 10; ++round) {
    const std::string directory = directory_ + "/" + std::to_string(round);
    ASSERT_TRUE(EnsureDirectory(directory).ok());
    const pid_t writer = fork();
    if (writer == 0) {
      Finish(directory, 200);
      _exit(0);
    }
    usleep(static_cast<useconds_t>(500 * round));
    kill(writer, SIGKILL);
    waitpid(writer, nullptr, 0);
    Finish(directory, 200);
    EXPECT_EQ(*ReadFile(JournalPath(directory)), whole);
  }
}

}  // namespace
}  // namespace attest
