// SPDX-License-Identifier: Apache-2.0
//
// What is asked reaches the backend whole, through every layer. How bad backends end:
// conformance/testing/zoo.
#include "conformance/run/session.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "conformance/run/protocol.h"
#include "conformance/testing/zoo/zoo_call.h"

namespace attest {
namespace {

BackendSpec Zoo(const std::string& selector) {
  return {.argument = "zoo:" + selector,
          .library = ATTEST_ZOO_LIBRARY,
          .selector = selector,
          .options = {},
          .worker = {}};
}

std::unique_ptr<Session> Open(const BackendSpec& spec, const SessionOptions& options = {}) {
  Result<std::unique_ptr<Session>> session = Session::Open(spec, options);
  EXPECT_TRUE(session.ok()) << session.status().message();
  return session.ok() ? std::move(session).value() : nullptr;
}

// ---- Nothing is lost on the way

// The backend answers with each member as it found it in the C structure.
TEST(Session, EveryMemberOfTheProblemReachesTheBackend) {
  const std::unique_ptr<Session> echo = Open(Zoo("echo"));
  ASSERT_NE(echo, nullptr);
  const attest_problem_t problem = {.struct_size = 101,
                                    .attention_type = 102,
                                    .causality = 103,
                                    .flags = 0x80000104U,
                                    .query_dtype = {105, 106, 107},
                                    .cache_dtype = {108, 109, 110},
                                    .output_dtype = {111, 112, 113},
                                    .kv_scale_kind = -114,
                                    .num_q_heads = 115,
                                    .num_kv_heads = 116,
                                    .head_dim_qk = 117,
                                    .head_dim_v = 118,
                                    .scale = 0x1.23456p-7F,
                                    .softcap = -0.0F,
                                    .window_left = INT64_C(1) << 40,
                                    .window_right = -120,
                                    .local_block_size = 121,
                                    .local_block_lookback = 122,
                                    .kv_layout = 123,
                                    .block_size = 124,
                                    .custom_mask_kind = 125,
                                    .reserved0 = 126,
                                    .num_requests = 127,
                                    .num_actual_tokens = 128,
                                    .max_query_len = 129,
                                    .max_seq_len = 130,
                                    .num_blocks = 131,
                                    .block_table_width = 132};
  const CallResult result = echo->Supports(problem);
  EXPECT_EQ(result.status, ATTEST_REFUSED);
  EXPECT_EQ(result.message,
            "struct_size=101 attention_type=102 causality=103 flags=2147483908 "
            "query_dtype=105.106.107 cache_dtype=108.109.110 output_dtype=111.112.113 "
            "kv_scale_kind=-114 num_q_heads=115 num_kv_heads=116 head_dim_qk=117 head_dim_v=118 "
            "scale=0x1.23456p-7 softcap=-0x0p+0 window_left=1099511627776 window_right=-120 "
            "local_block_size=121 local_block_lookback=122 kv_layout=123 block_size=124 "
            "custom_mask_kind=125 reserved0=126 num_requests=127 num_actual_tokens=128 "
            "max_query_len=129 max_seq_len=130 num_blocks=131 block_table_width=132");
}

// From the vocabulary's Problem to the C structure in another process: what one change changes.
TEST(Session, EveryFlagAndEnumOfAProblemReachesTheBackend) {
  const std::unique_ptr<Session> echo = Open(Zoo("echo"));
  ASSERT_NE(echo, nullptr);
  using Change = std::function<void(Problem&)>;
  const std::vector<std::pair<Change, std::string>> changes = {
      {[](Problem& p) { p.lse = true; }, "flags=1 "},
      {[](Problem& p) { p.sinks = true; }, "flags=2 "},
      {[](Problem& p) { p.alibi = true; }, "flags=4 "},
      {[](Problem& p) {
         p.prefix_ranges = {{0, 0, 1}};
       },
       "flags=8 "},
      {[](Problem& p) { p.prefix_clamped = true; }, "flags=16 "},
      {[](Problem& p) { p.tree_mask = true; }, "flags=32 "},
      {[](Problem& p) { p.batch_invariant = true; }, "flags=64 "},
      {[](Problem& p) { p.page_aliasing = true; }, "flags=128 "},
      {[](Problem& p) { p.cache_layout = CacheLayout::kSharedLatent; }, "flags=256 "},
      {[](Problem& p) { p.attention_type = AttentionType::kEncoderOnly; }, "attention_type=1 "},
      {[](Problem& p) { p.attention_type = AttentionType::kEncoderDecoder; }, "attention_type=2 "},
      {[](Problem& p) { p.causality = Causality::kNonCausal; }, "causality=1 "},
      {[](Problem& p) { p.causality = Causality::kPerRequest; }, "causality=2 "},
      {[](Problem& p) { p.kv_scale_kind = KvScaleKind::kPerTensor; }, "kv_scale_kind=1 "},
      {[](Problem& p) { p.kv_scale_kind = KvScaleKind::kPerHead; }, "kv_scale_kind=2 "},
      {[](Problem& p) { p.kv_scale_kind = KvScaleKind::kPerTokenHead; }, "kv_scale_kind=3 "},
      {[](Problem& p) { p.custom_mask = MaskKind::kBoolean; }, "custom_mask_kind=1 "},
      {[](Problem& p) { p.custom_mask = MaskKind::kAdditive; }, "custom_mask_kind=2 "},
      {[](Problem& p) { p.cache_layout = CacheLayout::kXSplit; }, "kv_layout=1 "},
      {[](Problem& p) { p.query_dtype = DType::kFloat32; }, "query_dtype=2.32.1 "},
      {[](Problem& p) { p.cache_dtype = DType::kFloat8E4M3FN; }, "cache_dtype=10.8.1 "},
      {[](Problem& p) { p.output_dtype = DType::kFloat16; }, "output_dtype=2.16.1 "},
      {[](Problem& p) { p.num_q_heads = 12; }, "num_q_heads=12 "},
      {[](Problem& p) { p.num_kv_heads = 3; }, "num_kv_heads=3 "},
      {[](Problem& p) { p.head_dim_qk = 192; }, "head_dim_qk=192 "},
      {[](Problem& p) { p.head_dim_v = 129; }, "head_dim_v=129 "},
      {[](Problem& p) { p.scale = 0.75F; }, "scale=0x1.8p-1 "},
      {[](Problem& p) { p.softcap = 30.0F; }, "softcap=0x1.ep+4 "},
      {[](Problem& p) { p.window_left = 2047; }, "window_left=2047 "},
      {[](Problem& p) { p.window_right = 5; }, "window_right=5 "},
      {[](Problem& p) { p.local_block_size = 8192; }, "local_block_size=8192 "},
      {[](Problem& p) { p.local_block_lookback = 2; }, "local_block_lookback=2 "},
      {[](Problem& p) { p.block_size = 48; }, "block_size=48 "},
      {[](Problem& p) { p.max_query_len_slack = 4; }, "max_query_len=7 "},
      {[](Problem& p) { p.max_seq_len_slack = 10; }, "max_seq_len=19 "},
      {[](Problem& p) {
         p.requests.push_back({2, 4});
       },
       "num_requests=2 num_actual_tokens=5 "}};
  Problem plain;
  plain.lse = false;
  plain.requests = {{3, 9}};
  const std::string before = echo->Supports(ToAbi(plain)).message;
  for (const auto& [change, words] : changes) {
    Problem problem = plain;
    change(problem);
    const std::string after = echo->Supports(ToAbi(problem)).message;
    EXPECT_EQ(before.find(words), std::string::npos) << words;
    EXPECT_NE(after.find(words), std::string::npos) << words << "in: " << after;
  }
}

TEST(Session, AZeroedProblemArrivesAsZeroesWhichIsACausalDecoder) {
  const std::unique_ptr<Session> echo = Open(Zoo("echo"));
  ASSERT_NE(echo, nullptr);
  const std::string text = echo->Supports({}).message;
  EXPECT_EQ(text.find_first_of("123456789"), std::string::npos) << text;
  EXPECT_NE(text.find("attention_type=0 causality=0 flags=0 "), std::string::npos);
}

// Another shape, stride, type and first byte for each, so that two that change places are seen.
TEST(Session, EveryTensorReachesTheBackendUnderItsNameAndAtItsPlace) {
  const std::unique_ptr<Session> echo = Open(Zoo("echo"));
  ASSERT_NE(echo, nullptr);
  CallImage image;
  image.bytes.assign(4096, std::byte{0});
  std::string wanted;
  std::int64_t n = 2;
  for (const auto& member : ForwardTensors()) {
    const std::string name(member.name);
    const bool metadata = name == "query_start_loc" || name == "seq_lens";
    const DType dtype = metadata ? DType::kInt32 : DType::kFloat32;
    const auto offset = static_cast<std::uint64_t>(n * 128);
    image.tensors.push_back(
        {.name = name, .dtype = dtype, .shape = {n}, .strides = {1}, .offset = offset});
    image.bytes[offset] = static_cast<std::byte>(n + 100);
    if (!metadata) image.tensors.back().strides = {0};
    wanted += name + " " + std::to_string(n) + "/" + (metadata ? "1 0.32" : "0 2.32") + "@" +
              std::to_string(n + 100) + " ";
    ++n;
  }
  attest_problem_t problem = {};
  problem.num_requests = 1;
  const CallResult result = echo->Forward(problem, 0, image);
  EXPECT_EQ(result.status, ATTEST_REFUSED);
  EXPECT_EQ(result.message, wanted + "cpu 107,0 108");
}

TEST(Session, AnAbsentTensorIsAbsent) {
  const std::unique_ptr<Session> echo = Open(Zoo("echo"));
  ASSERT_NE(echo, nullptr);
  CallImage image;
  image.bytes.assign(64, std::byte{1});
  image.tensors = {{.name = "out",
                    .dtype = DType::kBFloat16,
                    .shape = {1, 2, 3},
                    .strides = {6, 3, 1},
                    .offset = 0}};
  EXPECT_EQ(echo->Forward({.num_requests = -1}, 0, image).message, "out 1,2,3/6,3,1 4.16@1 cpu  ");
}

TEST(Session, OptionsReachTheBackendWithTheNumberOfThreads) {
  EXPECT_EQ(Open(Zoo("echo"), {.threads = 3})->claims().version, "threads=3");
  BackendSpec spec = Zoo("echo");
  spec.options = "tile=8";
  EXPECT_EQ(Open(spec)->claims().version, "tile=8,threads=1");
}

TEST(Session, ALargerImageThanTheOneBeforeArrivesWhole) {
  const std::unique_ptr<Session> session = Open(Zoo("honest"));
  ASSERT_NE(session, nullptr);
  for (const int heads : {1, 64, 2, 128}) {
    const zoo::ZooCall call = zoo::MakeCall(heads);
    CallImage image = call.image;
    EXPECT_EQ(session->Forward(call.problem, 0, image).status, ATTEST_OK);
    EXPECT_EQ(zoo::WrongElements(call, image), 0) << heads;
  }
  EXPECT_EQ(session->children_started(), 1);
}

TEST(Session, ATensorOutsideTheImageIsNotHandedToTheBackend) {
  const std::unique_ptr<Session> session = Open(Zoo("honest"));
  ASSERT_NE(session, nullptr);
  zoo::ZooCall call = zoo::MakeCall(1);
  call.image.tensors[0].offset += call.image.bytes.size();
  const CallResult result = session->Forward(call.problem, 0, call.image);
  EXPECT_EQ(result.end, CallEnd::kProtocol);
  EXPECT_NE(result.message.find("bad_request': tensor query: reaches outside"), std::string::npos)
      << result.message;
}

// ---- Libraries that are no backends

TEST(Session, AFileThatIsNoSharedLibraryIsNamed) {
  BackendSpec spec = Zoo("honest");
  spec.library = ATTEST_ZOO_WORKER;
  const Result<std::unique_ptr<Session>> session = Session::Open(spec, {});
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().code(), StatusCode::kBadInput);
  EXPECT_TRUE(session.status().message().starts_with("backend 'zoo:honest': " ATTEST_ZOO_WORKER))
      << session.status().message();
}

TEST(Session, ALibraryWithoutTheEntryPointIsNamed) {
  BackendSpec spec = Zoo("honest");
  spec.library = "libm.so.6";
  const Result<std::unique_ptr<Session>> session = Session::Open(spec, {});
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().code(), StatusCode::kBadInput);
  EXPECT_NE(session.status().message().find("undefined symbol: attest_backend_open"),
            std::string::npos)
      << session.status().message();
}

}  // namespace
}  // namespace attest
