// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

namespace attest {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "attest_files_" + std::to_string(getpid());
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }
  std::string directory_;
};

TEST_F(Files, WhatWasWrittenIsRead) {
  const std::string path = directory_ + "/file";
  for (const std::string& bytes :
       {std::string("first"), std::string(), std::string(200'000, '\0')}) {
    ASSERT_TRUE(WriteFileAtomically(path, bytes).ok());
    EXPECT_EQ(*ReadFile(path), bytes);
  }
  struct stat status = {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644U);
}

TEST_F(Files, AWriteThatFailsLeavesNothingBehind) {
  const Status missing = WriteFileAtomically(directory_ + "/no/file", "x");
  EXPECT_EQ(missing.code(), StatusCode::kBadInput);
  EXPECT_EQ(missing.message(), directory_ + "/no/file: No such file or directory");

  fs::create_directories(directory_ + "/taken/inside");  // a rename cannot replace it
  EXPECT_FALSE(WriteFileAtomically(directory_ + "/taken", "x").ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()), 1);
}

TEST_F(Files, AMissingFileIsBadInputThatNamesIt) {
  EXPECT_EQ(ReadFile(directory_ + "/none").status().message(),
            directory_ + "/none: No such file or directory");
}

TEST_F(Files, ADirectoryIsMadeWithThoseAboveItAndOnlyWhereItCanBe) {
  EXPECT_TRUE(EnsureDirectory(directory_ + "/a/b/c").ok());
  EXPECT_TRUE(EnsureDirectory(directory_ + "/a/b/c").ok());
  EXPECT_TRUE(fs::is_directory(directory_ + "/a/b/c"));
  ASSERT_TRUE(WriteFileAtomically(directory_ + "/plain", "x").ok());
  const Status status = EnsureDirectory(directory_ + "/plain/sub");
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  EXPECT_EQ(status.message(), directory_ + "/plain/sub: Not a directory");
}

TEST_F(Files, AFullDiskIsTheMachinesFaultAndAWrongPathTheUsers) {
  EXPECT_EQ(FileError("x", ENOSPC).code(), StatusCode::kEnvironment);
  EXPECT_EQ(FileError("x", EACCES).code(), StatusCode::kBadInput);
}

}  // namespace
}  // namespace attest
