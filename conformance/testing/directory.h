// SPDX-License-Identifier: Apache-2.0
//
// The fixture of tests that need a directory of their own.
#ifndef ATTEST_CONFORMANCE_TESTING_DIRECTORY_H_
#define ATTEST_CONFORMANCE_TESTING_DIRECTORY_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace attest {

// Empty when the test begins, gone when it ends.
class DirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = std::filesystem::path(testing::TempDir()) /
                 (std::string("attest-") + info->test_suite_name() + "-" + info->name());
    Clear();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void Clear() const {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  std::string Path(const std::string& name) const { return (directory_ / name).string(); }
  // Its path.
  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(directory_ / name, std::ios::binary) << bytes;
    return Path(name);
  }

  std::filesystem::path directory_;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_TESTING_DIRECTORY_H_
