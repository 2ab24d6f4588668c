// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/digest.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace attest {
namespace {

// FIPS 180-2, appendix B.
TEST(Digest, AgreesWithTheStandardsExamples) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, OfAFileLongerThanOnePieceIsTheDigestOfItsBytes) {
  std::string bytes;
  for (int i = 0; i < 200'000; ++i) bytes += static_cast<char>(i * 7);
  const std::string path = testing::TempDir() + "digest_test_file";
  std::FILE* file = std::fopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  std::fwrite(bytes.data(), 1, bytes.size(), file);
  std::fclose(file);
  EXPECT_EQ(*Sha256HexOfFile(path), Sha256Hex(bytes));
  std::remove(path.c_str());
}

TEST(Digest, OfAMissingFileIsBadInputThatNamesIt) {
  const Result<std::string> digest = Sha256HexOfFile("/nowhere/at/all");
  ASSERT_FALSE(digest.ok());
  EXPECT_EQ(digest.status().code(), StatusCode::kBadInput);
  EXPECT_NE(digest.status().message().find("/nowhere/at/all"), std::string::npos);
}

}  // namespace
}  // namespace attest
