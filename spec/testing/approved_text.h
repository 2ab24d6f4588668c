// SPDX-License-Identifier: Apache-2.0
//
// Long texts against files that were read once and approved. After a change on purpose:
// ATTEST_APPROVE=1 writes them anew; read the difference before committing it.
#ifndef ATTEST_SPEC_TESTING_APPROVED_TEXT_H_
#define ATTEST_SPEC_TESTING_APPROVED_TEXT_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace attest {

// `path` from the root of the repository, which ATTEST_SOURCE names (ctest sets it).
inline void ExpectApproved(const std::string& path, const std::string& text) {
  const char* source = std::getenv("ATTEST_SOURCE");
  ASSERT_NE(source, nullptr) << "run through ctest, or set ATTEST_SOURCE to the repository";
  const std::string file = std::string(source) + "/" + path;
  if (std::getenv("ATTEST_APPROVE") != nullptr) {
    std::ofstream(file, std::ios::binary) << text;
    return;
  }
  std::ifstream stream(file, std::ios::binary);
  ASSERT_TRUE(stream) << file;
  std::stringstream approved;
  approved << stream.rdbuf();
  EXPECT_EQ(text, approved.str()) << path;
}

}  // namespace attest

#endif  // ATTEST_SPEC_TESTING_APPROVED_TEXT_H_
