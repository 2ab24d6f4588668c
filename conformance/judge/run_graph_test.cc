// SPDX-License-Identifier: Apache-2.0
//
// The faithful graph walks every case; each graph that is wrong is failed, and for what it does
// wrong. In this process: behind the ABI `attest kill` does the same.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "conformance/judge/graph_walk.h"
#include "conformance/judge/mutant_session.h"
#include "conformance/judge/persistent_copy.h"
#include "conformance/judge/persistent_views.h"
#include "conformance/judge/run_kinds.h"

namespace attest {
namespace {

std::vector<Step> Steps() {
  return {
      {.how = "the captured sizes", .requests = {{3, 21}, {2, 9}, {1, 14}}, .block_table_extra = 2},
      {.how = "fewer and longer", .requests = {{2, 29}, {3, 6}}, .padding_tokens = 1},
      {.how = "all again", .requests = {{1, 8}, {3, 22}, {2, 3}}, .block_table_extra = 1}};
}

Case GraphCase() {
  Case value;
  value.id = "graph/test/steps=three";
  value.kind = CaseKind::kGraph;
  value.recipe = Recipe::kGeneric;
  value.clauses = {"GRAPH-01", "GRAPH-02", "GRAPH-03", "GRAPH-04", "GRAPH-05",
                   "GRAPH-06", "GRAPH-07", "GRAPH-08", "GRAPH-09", "GRAPH-10"};
  Problem& p = value.problem;
  p.num_q_heads = 2;
  p.head_dim_qk = p.head_dim_v = 8;
  p.query_dtype = p.cache_dtype = p.output_dtype = DType::kBFloat16;
  p.block_size = 4;
  p.batch_invariant = true;
  p.block_table_extra = 2;
  p.max_seq_len_slack = 8;
  p.requests = {{3, 21}, {2, 9}, {1, 14}};
  value.steps = Steps();
  return value;
}

Case CopyCase() {
  Case value = GraphCase();
  value.kind = CaseKind::kCopyToPersistent;
  value.clauses = {"GRAPH-11", "GRAPH-12", "GRAPH-13", "GRAPH-14"};
  return value;
}

Record Walk(const Case& value, const Mutant& mutant) {
  const Result<GraphWalk> walk = BuildGraphWalk(value, {});
  EXPECT_TRUE(walk.ok()) << walk.status().message();
  MutantSession session(mutant);
  return JudgeGraphWalk(session, value, *walk, {.case_id = value.id});
}

TEST(GraphCase, PassesTheFaithfulGraph) {
  const Case value = GraphCase();
  ASSERT_TRUE(ValidateKind(value).ok()) << ValidateKind(value).message();
  MutantSession session(*FindMutant("faithful"));
  const Record record = RunGraphCase(session, value, {}, {.case_id = value.id});
  EXPECT_EQ(Name(record.verdict), "pass") << record.reason;
  EXPECT_FALSE(record.exposes.empty());
}

TEST(GraphCase, PassesTheFaithfulGraphOfEveryType) {
  for (const AttentionType type : {AttentionType::kEncoderDecoder, AttentionType::kEncoderOnly}) {
    Case value = GraphCase();
    value.problem.attention_type = type;
    if (type == AttentionType::kEncoderOnly) {
      value.problem.block_size = 0;
      value.problem.block_table_extra = 0;
      value.problem.requests = {{7, 7}, {4, 4}, {5, 5}};
      value.steps = {{.how = "fewer", .requests = {{6, 6}, {3, 3}}, .padding_tokens = 2},
                     {.how = "all", .requests = {{2, 2}, {7, 7}, {1, 1}}}};
    }
    ASSERT_TRUE(ValidateKind(value).ok()) << ValidateKind(value).message();
    const Record record = Walk(value, *FindMutant("faithful"));
    EXPECT_EQ(Name(record.verdict), "pass") << Name(type) << " " << record.reason;
  }
}

TEST(GraphCase, FailsEachMutantForWhatItDoesWrong) {
  const std::map<std::string, std::string> reasons = {
      {"graph-work-escapes", "step 0, the captured sizes, "},
      {"graph-lse-escapes", "lse"},
      {"graph-inputs-at-update", "other contents and no update"},
      {"graph-lengths-of-capture", "step 1, fewer and longer, "},
      {"graph-starts-of-capture", "step 1, fewer and longer, "},
      {"graph-one-step-late", "step 1, fewer and longer, "},
      {"graph-keys-of-capture", "step 1, fewer and longer, "},
      {"graph-table-of-capture", "step 0, the captured sizes, "},
      {"graph-table-as-strided", "the view block_table has strides [7, 1], its buffer [8, 1]"},
      {"graph-tail-not-reset", "graph_replay wrote out["},
      {"graph-phantom-request", "graph_replay wrote out["},
      {"graph-padded-rows-written", "a padding row"},
      {"graph-eager-fallback", "graph_update wrote out[0, 0, 0]"},
      {"graph-view-of-source", "the view block_table has"},
      {"graph-buffer-moves", "the view block_table has another data pointer"},
      {"graph-splits-of-capture", "eager and then replayed: "},
      {"graph-lengths-drift", "other contents and no update"},
      {"graph-fit-by-requests", "captured, graph_update answered ok"},
      {"graph-other-scale-accepted", "another scale than captured, graph_update answered ok"}};
  for (const auto& [id, reason] : reasons) {
    const Mutant* mutant = FindMutant(id);
    ASSERT_NE(mutant, nullptr) << id;
    const Record record = Walk(GraphCase(), *mutant);
    EXPECT_EQ(Name(record.verdict), "fail") << id;
    EXPECT_NE(record.reason.find(reason), std::string::npos) << id << ": " << record.reason;
  }
}

TEST(GraphCase, IsExpectedOfWhoClaimsGraphsOfItsSteps) {
  Case value = GraphCase();
  EXPECT_EQ(GraphLevelOf(value), ATTEST_GRAPH_ALWAYS);
  value.problem.batch_invariant = false;
  Claims claims;
  claims.features = ~std::uint64_t{0};
  EXPECT_EQ(ExpectationOf(claims, value).reason, "does not claim graphs");
  claims.graph_level = ATTEST_GRAPH_UNIFORM_BATCH;
  EXPECT_EQ(ExpectationOf(claims, value).reason, "does not claim graphs of such steps");
  value.problem.requests = {{3, 21}, {3, 9}};
  value.steps = {{.how = "one", .requests = {{3, 21}}}};
  EXPECT_EQ(GraphLevelOf(value), ATTEST_GRAPH_UNIFORM_BATCH);
  value.problem.requests = {{1, 21}, {1, 9}};
  value.steps = {{.how = "one", .requests = {{1, 21}}}};
  EXPECT_EQ(GraphLevelOf(value), ATTEST_GRAPH_UNIFORM_SINGLE_TOKEN);
}

TEST(CopyCase, PassesTheFaithfulCopy) {
  const Case value = CopyCase();
  ASSERT_TRUE(ValidateKind(value).ok());
  MutantSession session(*FindMutant("faithful"));
  const Record record = RunCopyToPersistentCase(session, value, {}, {.case_id = value.id});
  EXPECT_EQ(Name(record.verdict), "pass") << record.reason;
}

TEST(CopyCase, FailsEachMutantForWhatItDoesWrong) {
  const std::map<std::string, std::string> reasons = {
      {"persistent-strides-of-source", "block_table of step 0, the captured sizes, "},
      {"persistent-view-of-source", "the view's data pointer is not the buffer's"},
      {"persistent-whole-buffer", "the view has shape [4], the source [3]"},
      {"persistent-tail-cleared", "changed"},
      {"persistent-copy-truncates", "one element more along axis 0, answered ok"},
      {"persistent-copy-broadcasts", "of a lower rank, answered ok"},
      {"persistent-copy-converts", "of another integer type, answered ok"}};
  const Result<std::vector<PersistentCopy>> copies = PersistentCopiesOf(CopyCase(), 0);
  ASSERT_TRUE(copies.ok()) << copies.status().message();
  for (const auto& [id, reason] : reasons) {
    const Mutant* mutant = FindMutant(id);
    ASSERT_NE(mutant, nullptr) << id;
    MutantSession session(*mutant);
    const Record record = JudgeCopies(session, *copies, {});
    EXPECT_EQ(Name(record.verdict), "fail") << id;
    EXPECT_NE(record.reason.find(reason), std::string::npos) << id << ": " << record.reason;
  }
}

SeenView View() {
  const SeenTensor buffer = {
      .dtype = DType::kInt32, .address = 4096, .shape = {4, 6}, .strides = {6, 1}};
  SeenTensor view = buffer;
  view.shape = {2, 3};
  return {.name = "block_table", .view = view, .buffer = buffer, .buffer_bytes = 96};
}

TEST(Views, AreHeldAgainstTheirBufferAndTheFirstStep) {
  const std::vector<SeenView> first = {View()};
  EXPECT_EQ(WrongViews(first, nullptr), "");
  std::vector<SeenView> wider = first;
  wider[0].view.shape = {4, 6};
  EXPECT_EQ(WrongViews(wider, &first), "");
  const auto wrong = [&first](void (*edit)(SeenView&)) {
    std::vector<SeenView> views = first;
    edit(views[0]);
    return WrongViews(views, &first);
  };
  EXPECT_EQ(wrong([](SeenView& seen) {
              seen.view.strides = {3, 1};
            }),
            "the view block_table has strides [3, 1], its buffer [6, 1]");
  EXPECT_EQ(wrong([](SeenView& seen) {
              seen.view.shape = {5, 1};
            }),
            "the view block_table has shape [5, 1], its buffer [4, 6]");
  EXPECT_EQ(wrong([](SeenView& seen) { seen.view.address += 64; }),
            "the view block_table reaches outside of its buffer");
  EXPECT_EQ(wrong([](SeenView& seen) { seen.view.address += 4; }),
            "the view block_table has another data pointer than at the first step");
  EXPECT_EQ(wrong([](SeenView& seen) { seen.buffer_bytes = 128; }),
            "the view block_table is of another buffer than at the first step");
  EXPECT_EQ(wrong([](SeenView& seen) { seen.view.dtype = DType::kInt64; }),
            "the view block_table is of type int64, its buffer of int32");
  EXPECT_EQ(wrong([](SeenView& seen) { seen.name = "table"; }),
            "view 0 is table, at the first step block_table");
  EXPECT_EQ(WrongViews({}, &first), "0 views, at the first step 1");
  EXPECT_EQ(WrongViews({View(), View()}, nullptr), "two views are named block_table");
}

}  // namespace
}  // namespace attest
