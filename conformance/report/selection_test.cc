// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/selection.h"

#include <gtest/gtest.h>

#include <set>

namespace attest {
namespace {

CaseSet Set() {
  CaseSet set;
  const auto add = [&](const char* id, Tier tier, std::vector<std::string> profiles) {
    Case value;
    value.id = id;
    value.tier = tier;
    value.profiles = std::move(profiles);
    set.cases.push_back(value);
  };
  add("masks/a", Tier::kSmoke, {"causal"});
  add("masks/b/q=1", Tier::kCi, {"causal", "window"});
  add("masks/c", Tier::kFull, {"cross"});
  add("abi/d", Tier::kCi, {});
  add("scores/e", Tier::kCi, {"scores"});
  return set;
}

std::vector<std::string> Ids(const Selection& selection) {
  static const CaseSet kSet = Set();
  std::vector<std::string> ids;
  for (const Case* value : SelectCases(kSet, selection)) ids.push_back(value->id);
  return ids;
}

using Words = std::vector<std::string>;

TEST(Selection, ATierHoldsTheSmallerOnes) {
  EXPECT_EQ(Ids({.tier = Tier::kSmoke}), Words{"masks/a"});
  EXPECT_EQ(Ids({.tier = Tier::kCi}), (Words{"masks/a", "masks/b/q=1", "abi/d", "scores/e"}));
  EXPECT_EQ(Ids({.tier = Tier::kFull}).size(), 5U);
}

TEST(Selection, RequestedProfilesKeepTheCasesThatCountForAll) {
  EXPECT_EQ(Ids({.profiles = {"window"}}), (Words{"masks/b/q=1", "abi/d"}));
}

TEST(Selection, AStarReachesAcrossSlashes) {
  EXPECT_EQ(Ids({.filter = "masks/*"}), (Words{"masks/a", "masks/b/q=1"}));
  EXPECT_EQ(Ids({.filter = "nothing*"}), Words{});
}

TEST(Selection, ShardsAreDisjointAndComplete) {
  for (int count = 1; count <= 6; ++count) {
    std::multiset<std::string> all;
    for (int index = 1; index <= count; ++index) {
      for (const std::string& id : Ids({.shard = {index, count}})) all.insert(id);
    }
    const Words whole = Ids({});
    EXPECT_EQ(all, std::multiset<std::string>(whole.begin(), whole.end())) << count;
  }
}

TEST(Selection, ShardsOutOfRangeAreRefused) {
  EXPECT_EQ(*ParseShard("2/4"), (Shard{2, 4}));
  for (const char* bad : {"", "1", "0/4", "5/4", "1/0", "a/b", "1/2/3", "-1/2", " 1/2"}) {
    const Result<Shard> shard = ParseShard(bad);
    ASSERT_FALSE(shard.ok()) << bad;
    EXPECT_EQ(shard.status().code(), StatusCode::kBadInput);
  }
}

TEST(Selection, AnUnknownProfileIsNamed) {
  EXPECT_TRUE(CheckProfiles({"causal", "window"}).ok());
  const Status status = CheckProfiles({"causal", "cauzal"});
  EXPECT_NE(status.message().find("'cauzal'"), std::string::npos);
  EXPECT_FALSE(CheckProfiles({"core"}).ok());
}

}  // namespace
}  // namespace attest
