// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/record.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Another value in every field.
Record Full() {
  return {.case_id = "masks/causal/heads=7",
          .content_hash = "abc",
          .seed = UINT64_MAX,
          .verdict = Verdict::kFail,
          .note = "suspect",
          .reason = "a \"quoted\" reason",
          .rule = "bound",
          .clauses = {"MASK-01", "MASK-02"},
          .profiles = {"causal"},
          .exposes = {"causal-top-left"},
          .rows_judged = 1LL << 40,
          .rows_total = 1LL << 41,
          .worst_ratio = kInfinity,
          .worst = {{1, 2, 3, 4, 0.1, -kInfinity, 1e-300}, {5, 6, 7, -1, -0.0, 5e-324, 1.0 / 3}},
          .wrong_cells = {{1, 2, 3, 1.5}, {4, 5, 6, kInfinity}},
          .wrong_cells_total = 9999,
          .wrong_keys = {{1, 2, 3, 4, true}, {5, 6, 7, 8, false}},
          .repro = "attest replay",
          .waiver = "https://example.org/1"};
}

Result<Record> ThereAndBack(const Record& record) {
  return RecordFromJson(Json::parse(ToJson(record).dump()));
}

TEST(Record, ComesBackFromItsJson) {
  const Result<Record> back = ThereAndBack(Full());
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(*back, Full());
  EXPECT_EQ(*ThereAndBack(Record{}), Record{});
}

TEST(Record, HasItsFieldsInTheSameOrderEveryTime) {
  EXPECT_EQ(
      ToJson(Full()).dump(),
      R"({"case":"masks/causal/heads=7","content_hash":"abc","seed":18446744073709551615,)"
      R"("verdict":"fail","note":"suspect","reason":"a \"quoted\" reason","rule":"bound",)"
      R"("clauses":["MASK-01","MASK-02"],"profiles":["causal"],"exposes":["causal-top-left"],)"
      R"("rows_judged":1099511627776,)"
      R"("rows_total":2199023255552,"worst_ratio":"inf","worst":[{"request":1,"row":2,)"
      R"("head":3,"dim":4,"expected":0.1,"got":"-inf","bound":1e-300},{"request":5,"row":6,)"
      R"("head":7,"dim":-1,"expected":-0.0,"got":5e-324,"bound":0.3333333333333333}],)"
      R"("wrong_cells":[[1,2,3,1.5],[4,5,6,"inf"]],"wrong_cells_total":9999,)"
      R"("wrong_keys":[[1,2,3,4,true],[5,6,7,8,false]],"repro":"attest replay",)"
      R"("waiver":"https://example.org/1"})");
}

TEST(Record, KeepsEveryVerdict) {
  for (const Verdict verdict : kAllVerdicts) {
    EXPECT_EQ(ThereAndBack({.verdict = verdict})->verdict, verdict);
  }
}

TEST(Record, KeepsANan) {
  const Result<Record> back = ThereAndBack({.worst_ratio = std::nan("")});
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(std::isnan(back->worst_ratio));
}

RC_GTEST_PROP(Record, KeepsEveryNumberBitForBit, (std::uint64_t bits)) {
  const auto number = std::bit_cast<double>(bits);
  const Result<Record> back = ThereAndBack({.worst_ratio = number});
  RC_ASSERT(back.ok());
  const bool same = std::isnan(number) ? std::isnan(back->worst_ratio)
                                       : std::bit_cast<std::uint64_t>(back->worst_ratio) == bits;
  RC_ASSERT(same);
}

TEST(Record, SaysWhichFieldIsMissingOrWrong) {
  const Json whole = ToJson(Full());
  for (const auto& [key, value] : whole.items()) {
    Json json = whole;
    json.erase(key);
    EXPECT_EQ(RecordFromJson(json).status().message(), "record: \"" + key + "\" is missing");
  }
  const auto changed = [&](const char* key, const Json& value) {
    Json json = whole;
    json[key] = value;
    return RecordFromJson(json).status().message();
  };
  EXPECT_EQ(changed("verdict", "splendid"), "record.verdict: unknown word 'splendid'");
  EXPECT_EQ(changed("seed", -1), "record.seed: not a whole number from 0 to 2^64 - 1");
  EXPECT_EQ(changed("worst_ratio", "much"),
            "record.worst_ratio: neither a number nor \"inf\", \"-inf\" or \"nan\"");
  EXPECT_EQ(changed("clauses", "MASK-01"), "record.clauses: not a list");
  EXPECT_EQ(changed("worst", Json::array({Json::object()})),
            "record.worst[0]: \"request\" is missing");
  EXPECT_EQ(changed("wrong_cells", Json::array({Json::array({1, 2, 3})})),
            "record.wrong_cells[0]: not [request, row, head, ratio]");
  EXPECT_EQ(changed("wrong_keys", 7), "record.wrong_keys: not a list");
  EXPECT_EQ(changed("colour", "red"), "record.colour: unknown key");
}

}  // namespace
}  // namespace attest
