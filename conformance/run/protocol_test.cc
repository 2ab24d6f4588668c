// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/protocol.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

TEST(Protocol, AFrameIsFourBytesOfLengthLeastFirstAndTheBody) {
  EXPECT_EQ(Frame("{}"), std::string("\x02\0\0\0{}", 6));
  EXPECT_EQ(Frame(std::string(0x0102, 'x')).substr(0, 4), std::string("\x02\x01\0\0", 4));
  EXPECT_EQ(FrameLength(std::string("\xFF\xFF\xFF\xFFrest", 8)), 0xFFFFFFFFU);
  EXPECT_EQ(FrameLength("abc"), std::nullopt);
}

RC_GTEST_PROP(Protocol, TheLengthOfAnyFrameIsReadBack, (const std::string& body)) {
  const std::string frame = Frame(body);
  RC_ASSERT(FrameLength(frame) == body.size());
  RC_ASSERT(frame.substr(kFrameHeaderBytes) == body);
}

RC_GTEST_PROP(Protocol, NoBytesMakeTheParserDoAnythingButAnswer, (const std::string& body)) {
  const auto message = ParseMessage(body);
  const bool answered = !message.ok() || message->is_object();
  RC_ASSERT(answered);
}

TEST(Protocol, NestingIsCountedOutsideStringsOnly) {
  EXPECT_TRUE(ParseMessage(R"({"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["})").ok());
  EXPECT_TRUE(ParseMessage(R"({"a":"\"[[[[[[[[[[[[[[[[[[[[[[[[[[["})").ok());
  EXPECT_FALSE(ParseMessage(R"({"a":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]})").ok());
  EXPECT_FALSE(ParseMessage(std::string(1 << 20, '[')).ok());
}

TEST(Protocol, EveryStatusHasAWordAndEveryWordItsStatus) {
  for (attest_status_t status = ATTEST_OK; status <= ATTEST_INTERNAL; ++status) {
    EXPECT_EQ(ParseStatusWord(StatusWord(status)), status);
  }
  for (const attest_status_t status : {-1, ATTEST_INTERNAL + 1, INT32_MAX}) {
    EXPECT_EQ(StatusWord(status), kUnknownStatus);
  }
  for (const std::string_view word : {kUnknownStatus, kCannotLoad, kBadRequest}) {
    EXPECT_EQ(ParseStatusWord(word), std::nullopt);
  }
}

}  // namespace
}  // namespace attest
