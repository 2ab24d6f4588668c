// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/protocol_problem.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "conformance/run/protocol.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

// Through text, as on the wire.
Result<attest_problem_t> ThereAndBack(const attest_problem_t& problem) {
  return AbiProblemFromJson(Json::parse(LineText(ToJson(problem))));
}

bool SameBytes(const attest_problem_t& a, const attest_problem_t& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

std::size_t OffsetOf(const ProblemField& field) {
  static const attest_problem_t kProblem = {};
  const auto* base = reinterpret_cast<const char*>(&kProblem);
  return std::visit(
      [&](auto member) {
        return static_cast<std::size_t>(reinterpret_cast<const char*>(&(kProblem.*member)) - base);
      },
      field.member);
}

std::size_t SizeOfField(const ProblemField& field) {
  return std::visit([](auto member) { return sizeof(attest_problem_t{}.*member); }, field.member);
}

TEST(ProtocolProblem, TheTableCoversEveryByteOfTheStructureOnce) {
  std::size_t next = 0;
  for (const ProblemField& field : ProblemFields()) {
    EXPECT_EQ(OffsetOf(field), next) << field.name;
    next += SizeOfField(field);
  }
  EXPECT_EQ(next, sizeof(attest_problem_t));
}

// Every byte of the structure has another value, so that two members that change places are seen.
attest_problem_t AllDistinct() {
  attest_problem_t problem = {};
  auto* bytes = reinterpret_cast<unsigned char*>(&problem);
  for (std::size_t i = 0; i < sizeof(problem); ++i) {
    bytes[i] = static_cast<unsigned char>(i + 1);
  }
  return problem;
}

TEST(ProtocolProblem, DistinctValuesInAllMembersArriveUnchanged) {
  const attest_problem_t problem = AllDistinct();
  const Result<attest_problem_t> arrived = ThereAndBack(problem);
  ASSERT_TRUE(arrived.ok()) << arrived.status().message();
  EXPECT_TRUE(SameBytes(*arrived, problem));
}

TEST(ProtocolProblem, EachBitOfEachMemberArrivesAlone) {
  for (std::size_t bit = 0; bit < 8 * sizeof(attest_problem_t); ++bit) {
    attest_problem_t problem = {};
    reinterpret_cast<unsigned char*>(&problem)[bit / 8] |= static_cast<unsigned char>(1 << bit % 8);
    const Result<attest_problem_t> arrived = ThereAndBack(problem);
    ASSERT_TRUE(arrived.ok()) << arrived.status().message();
    EXPECT_TRUE(SameBytes(*arrived, problem)) << "bit " << bit;
  }
}

TEST(ProtocolProblem, MembersStandUnderTheirOwnNames) {
  attest_problem_t problem = {};
  problem.window_left = -5;
  problem.flags = ATTEST_FLAG_SINKS;
  problem.cache_dtype = {ATTEST_BFLOAT, 16, 1};
  problem.scale = 0.15625F;
  problem.softcap = std::numeric_limits<float>::quiet_NaN();
  const Json json = ToJson(problem);
  EXPECT_EQ(json["window_left"], -5);
  EXPECT_EQ(json["flags"], 2);
  EXPECT_EQ(json["cache_dtype"].dump(), R"({"code":4,"bits":16,"lanes":1})");
  EXPECT_EQ(json["scale"], "0x1.4p-3");
  EXPECT_EQ(json["softcap"], "nan");
}

RC_GTEST_PROP(ProtocolProblem, EveryFloatArrivesBitForBit, (std::uint32_t bits)) {
  const auto value = std::bit_cast<float>(bits);
  const Result<float> arrived = FloatFromHex(FloatToHex(value), "x");
  RC_ASSERT(arrived.ok());
  if (std::isnan(value)) {
    RC_ASSERT(std::isnan(*arrived));
  } else {
    RC_ASSERT(std::bit_cast<std::uint32_t>(*arrived) == bits);
  }
}

TEST(ProtocolProblem, FloatsAtTheEdgesArriveBitForBit) {
  for (const std::uint32_t bits : {0x0U, 0x80000000U, 0x1U, 0x80000001U, 0x7FFFFFU, 0x800000U,
                                   0x7F7FFFFFU, 0xFF7FFFFFU, 0x7F800000U, 0xFF800000U}) {
    const Result<float> arrived = FloatFromHex(FloatToHex(std::bit_cast<float>(bits)), "x");
    ASSERT_TRUE(arrived.ok());
    EXPECT_EQ(std::bit_cast<std::uint32_t>(*arrived), bits);
  }
}

TEST(ProtocolProblem, ATextThatIsNoFloatIsNamed) {
  for (const char* text :
       {"", "1.5", "0x", "0x1p", "0x1p0 ", "0x-1p0", "--0x1p0", "0xinf", "NaN"}) {
    const Result<float> value = FloatFromHex(text, "problem.scale");
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_EQ(value.status().message(), std::string("problem.scale: '") + text + "' is no float");
  }
}

TEST(ProtocolProblem, WhatIsMissingOrWrongIsNamed) {
  const std::vector<std::pair<std::string, Json>> wrong = {
      {"problem.flags: 4294967296 does not fit", 4294967296},
      {"problem.flags: -1 does not fit", -1},
      {"problem.flags: not an integer", "2"}};
  for (const auto& [message, value] : wrong) {
    Json json = ToJson(attest_problem_t{});
    json["flags"] = value;
    EXPECT_EQ(AbiProblemFromJson(json).status().message(), message);
  }
  Json json = ToJson(attest_problem_t{});
  json["max_seq_len"] = 18446744073709551615ULL;
  EXPECT_EQ(AbiProblemFromJson(json).status().message(),
            "problem.max_seq_len: 18446744073709551615 does not fit");
  json = ToJson(attest_problem_t{});
  json["query_dtype"]["bits"] = 256;
  EXPECT_EQ(AbiProblemFromJson(json).status().message(), "problem.query_dtype.bits: does not fit");
  json = ToJson(attest_problem_t{});
  json.erase("causality");
  EXPECT_EQ(AbiProblemFromJson(json).status().message(), "problem.causality: missing");
  json = ToJson(attest_problem_t{});
  json["colour"] = 1;
  EXPECT_EQ(AbiProblemFromJson(json).status().message(), "problem: unknown members");
}

TEST(ProtocolProblem, AnyMemberCanBeSetByItsName) {
  attest_problem_t problem = {};
  EXPECT_TRUE(SetProblemField(problem, "window_left", -1).ok());
  EXPECT_TRUE(SetProblemField(problem, "scale", 0x7FC00000).ok());
  EXPECT_TRUE(SetProblemField(problem, "cache_dtype", 0x00010802).ok());
  EXPECT_EQ(problem.window_left, -1);
  EXPECT_TRUE(std::isnan(problem.scale));
  EXPECT_EQ(problem.cache_dtype.code, 2);
  EXPECT_EQ(problem.cache_dtype.bits, 8);
  EXPECT_EQ(problem.cache_dtype.lanes, 1);
  EXPECT_EQ(SetProblemField(problem, "flags", -1).message(), "flags: -1 does not fit");
  EXPECT_EQ(SetProblemField(problem, "softcap", -1).message(), "softcap: -1 does not fit");
  EXPECT_EQ(SetProblemField(problem, "colour", 1).message(),
            "attest_problem_t has no member colour");
}

}  // namespace
}  // namespace attest
