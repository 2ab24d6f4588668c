// SPDX-License-Identifier: Apache-2.0
//
// write_kv, merge and copy_to_persistent of a family through the library's one door: what no case
// of the suite asks, because it is no ordinary call.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "backends/gpu/dtype.h"
#include "backends/host/testing/call_tensor.h"
#include "backends/host/testing/decoder.h"
#include "spec/abi/attest.h"

namespace attest::gpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kUntouched = -77.0F;

// An instance; `naive` offers all three calls.
class Opened {
 public:
  explicit Opened(const char* selector = "naive") {
    void* const library = dlopen(ATTEST_HOST_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(library, nullptr) << dlerror();
    const auto open =
        reinterpret_cast<attest_backend_open_t>(dlsym(library, "attest_backend_open"));
    table.struct_size = sizeof(table);
    EXPECT_EQ(open(ATTEST_ABI_VERSION, selector, "threads=1", &table, nullptr), ATTEST_OK);
  }
  ~Opened() { table.close(table.self); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  attest_backend_t table = {};
};

// ---- write_kv of three tokens, five heads of 40 columns, into three pages of four slots

constexpr int kHeads = 5;
constexpr int kColumns = 40;

struct WriteCall {
  explicit WriteCall(std::int64_t column_step = 1)
      : key(kFloat32DType, {3, kHeads, kColumns}, column_step),
        value(kFloat32DType, {3, kHeads, kColumns}, column_step) {
    for (std::size_t i = 0; i < key.numbers().size(); ++i) {
      key.numbers()[i] = static_cast<float>(i);
      value.numbers()[i] = -static_cast<float>(i);
    }
  }
  attest_status_t Run(std::vector<std::int64_t> slot_of_token, std::string* message = nullptr) {
    const Opened naive;
    for (std::size_t i = 0; i < 3; ++i) slots.numbers()[i] = slot_of_token[i];
    attest_write_kv_args_t args = {};
    args.struct_size = sizeof(args);
    args.key = key.tensor();
    args.value = value.tensor();
    args.key_cache = key_cache.tensor();
    args.value_cache = value_cache.tensor();
    args.slot_mapping = slots.tensor();
    patch(args);
    attest_error_t error = {};
    const attest_status_t status = naive.table.write_kv(naive.table.self, &problem, &args, &error);
    if (message != nullptr) *message = error.message;
    return status;
  }
  int Untouched() {
    int count = 0;
    for (const float number : key_cache.numbers()) count += number == kUntouched ? 1 : 0;
    for (const float number : value_cache.numbers()) count += number == kUntouched ? 1 : 0;
    return count;
  }

  attest_problem_t problem = Decoder(kHeads, kColumns);
  CallTensor<float> key;
  CallTensor<float> value;
  CallTensor<float> key_cache{kFloat32DType, {3, 4, kHeads, kColumns}, 1, kUntouched};
  CallTensor<float> value_cache{kFloat32DType, {3, 4, kHeads, kColumns}, 1, kUntouched};
  CallTensor<std::int64_t> slots{kInt64DType, {3}};
  std::function<void(attest_write_kv_args_t&)> patch = [](attest_write_kv_args_t&) {};
};
constexpr int kRow = kHeads * kColumns;
constexpr int kAll = 2 * 3 * 4 * kRow;

TEST(WriteKv, ReadsColumnsThatLieApart) {
  WriteCall call(3);
  ASSERT_EQ(call.Run({6, -1, 9}), ATTEST_OK);
  EXPECT_EQ(call.Untouched(), kAll - 4 * kRow);
  for (const auto& [token, page, slot] : {std::tuple{0, 1, 2}, {2, 2, 1}}) {
    for (int head = 0; head < kHeads; ++head) {
      for (int d = 0; d < kColumns; ++d) {
        EXPECT_EQ(call.key_cache.At({page, slot, head, d}), call.key.At({token, head, d}));
        EXPECT_EQ(call.value_cache.At({page, slot, head, d}), call.value.At({token, head, d}));
      }
    }
  }
}

// slot_mapping lies on the device, so nobody can say no; memory past the cache is safe all the
// same.
TEST(WriteKv, ASlotPastTheCacheIsNoSlot) {
  WriteCall call;
  ASSERT_EQ(call.Run({12, std::numeric_limits<std::int64_t>::max(), 11}), ATTEST_OK);
  EXPECT_EQ(call.Untouched(), kAll - 2 * kRow);
}

TEST(WriteKv, SaysWhatIsWrong) {
  std::string message;
  WriteCall broadcast;
  broadcast.key_cache.strides()[2] = 0;
  EXPECT_EQ(broadcast.Run({0, 1, 2}, &message), ATTEST_INVALID_ARGUMENT);
  EXPECT_EQ(message, "key_cache.strides[2]: 0, a broadcast axis cannot be written");
  EXPECT_EQ(broadcast.Untouched(), kAll);

  WriteCall packed;
  packed.problem.attention_type = ATTEST_ENCODER_ONLY;
  packed.problem.block_size = 0;
  EXPECT_EQ(packed.Run({0, 1, 2}, &message), ATTEST_INVALID_ARGUMENT);
  EXPECT_EQ(message, "attention_type: 1, has no cache to write");

  WriteCall latent;
  latent.problem.flags = ATTEST_FLAG_VALUE_IS_KEY_PREFIX;
  EXPECT_EQ(latent.Run({0, 1, 2}, &message), ATTEST_INVALID_ARGUMENT);
  EXPECT_EQ(message, "value_cache.data: elsewhere, not the beginning of key_cache");

  WriteCall unclaimed;
  unclaimed.problem.local_block_size = 4;
  EXPECT_EQ(unclaimed.Run({0, 1, 2}, &message), ATTEST_REFUSED);
  EXPECT_EQ(unclaimed.Untouched(), kAll);

  WriteCall absent;
  absent.patch = [](attest_write_kv_args_t& args) { args.value = {}; };
  EXPECT_EQ(absent.Run({0, 1, 2}, &message), ATTEST_INVALID_ARGUMENT);
  EXPECT_EQ(message, "value.ndim: 0, not 3");
}

// ---- merge of two rows of three heads, 70 columns

struct MergeCall {
  explicit MergeCall(int num_parts, std::int64_t column_step = 1) {
    for (int i = 0; i < num_parts; ++i) {
      outs.push_back(std::make_unique<CallTensor<float>>(
          kFloat32DType, std::vector<std::int64_t>{2, 3, 70}, column_step));
      lses.push_back(
          std::make_unique<CallTensor<float>>(kFloat32DType, std::vector<std::int64_t>{2, 3}));
      for (float& lse : lses.back()->numbers()) lse = static_cast<float>(i);
      for (std::size_t n = 0; n < outs.back()->numbers().size(); ++n) {
        outs.back()->numbers()[n] = static_cast<float>((n * 7 + static_cast<std::size_t>(i)) % 13);
      }
    }
    problem.flags = ATTEST_FLAG_LSE;
    problem.num_actual_tokens = 2;
  }
  attest_status_t Run(const char* selector = "naive", std::string* message = nullptr) {
    const Opened naive(selector);
    std::vector<attest_tensor_t> part_outs;
    std::vector<attest_tensor_t> part_lses;
    for (const auto& part : outs) part_outs.push_back(part->tensor());
    for (const auto& part : lses) part_lses.push_back(part->tensor());
    attest_merge_args_t args = {};
    args.struct_size = sizeof(args);
    args.num_parts = static_cast<std::int32_t>(outs.size());
    args.part_out = part_outs.data();
    args.part_lse = part_lses.data();
    args.out = in_place ? part_outs[0] : out.tensor();
    args.lse = in_place ? part_lses[0] : lse.tensor();
    attest_error_t error = {};
    const attest_status_t status = naive.table.merge(naive.table.self, &problem, &args, &error);
    if (message != nullptr) *message = error.message;
    return status;
  }

  attest_problem_t problem = Decoder(3, 70);
  std::vector<std::unique_ptr<CallTensor<float>>> outs;
  std::vector<std::unique_ptr<CallTensor<float>>> lses;
  CallTensor<float> out{kFloat32DType, {2, 3, 70}, 1, kUntouched};
  CallTensor<float> lse{kFloat32DType, {2, 3}, 1, kUntouched};
  bool in_place = false;
};

float Merged(MergeCall& call, std::int64_t token, std::int64_t head, std::int64_t column) {
  double sum = 0.0;
  double weights = 0.0;
  for (std::size_t i = 0; i < call.outs.size(); ++i) {
    const double weight = std::exp(static_cast<double>(call.lses[i]->At({token, head})));
    sum += weight * call.outs[i]->At({token, head, column});
    weights += weight;
  }
  return static_cast<float>(sum / weights);
}

TEST(Merge, ReadsColumnsThatLieApart) {
  MergeCall call(3, 2);
  ASSERT_EQ(call.Run(), ATTEST_OK);
  for (std::int64_t token = 0; token < 2; ++token) {
    for (std::int64_t head = 0; head < 3; ++head) {
      for (std::int64_t d = 0; d < 70; ++d) {
        EXPECT_NEAR(call.out.At({token, head, d}), Merged(call, token, head, d), 1e-5);
      }
    }
  }
}

// Threads that come late must still see the LSEs of the parts.
TEST(Merge, MayStandInThePlaceOfAPart) {
  for (const char* selector : {"naive", "naive,order=reversed", "naive,order=shuffled"}) {
    MergeCall apart(2);
    MergeCall inside(2);
    inside.in_place = true;
    ASSERT_EQ(apart.Run(selector), ATTEST_OK);
    ASSERT_EQ(inside.Run(selector), ATTEST_OK);
    EXPECT_EQ(inside.outs[0]->numbers(), apart.out.numbers()) << selector;
    EXPECT_EQ(inside.lses[0]->numbers(), apart.lse.numbers()) << selector;
  }
}

TEST(Merge, TakesAsManyPartsAsItSays) {
  MergeCall most(48);
  EXPECT_EQ(most.Run(), ATTEST_OK);
  EXPECT_NEAR(most.lse.At({1, 2}), 47.0 - std::log1p(-std::exp(-1.0)), 1e-5);
  MergeCall more(49);
  std::string message;
  EXPECT_EQ(more.Run("naive", &message), ATTEST_REFUSED);
  EXPECT_EQ(message, "num_parts: 49, merges up to 48");
  EXPECT_EQ(more.out.At({0, 0, 0}), kUntouched);
}

TEST(Merge, SaysWhatIsWrong) {
  std::string message;
  MergeCall none(0);
  none.outs.clear();
  EXPECT_EQ(none.Run("naive", &message), ATTEST_INVALID_ARGUMENT);
  EXPECT_EQ(message, "num_parts: 0, less than 1");
  MergeCall many_tokens(1);
  many_tokens.problem.num_actual_tokens = 3;
  EXPECT_EQ(many_tokens.Run("naive", &message), ATTEST_INVALID_ARGUMENT);
  EXPECT_EQ(message, "part_out[0].shape[0]: 2, less than 3");
}

// ---- copy_to_persistent

template <typename Number>
void ExpectCorner(attest_dtype_t dtype) {
  CallTensor<Number> buffer(dtype, {3, 5, 4}, 2, Number{99});
  CallTensor<Number> source(dtype, {2, 5, 3}, 3);
  for (std::size_t i = 0; i < source.numbers().size(); ++i) {
    source.numbers()[i] = static_cast<Number>(i % 90);
  }
  std::int64_t shape[3] = {};
  std::int64_t strides[3] = {};
  attest_tensor_t view = {};
  view.shape = shape;
  view.strides = strides;
  const Opened naive;
  ASSERT_EQ(naive.table.copy_to_persistent(naive.table.self, &buffer.tensor(), &source.tensor(),
                                           &view, nullptr),
            ATTEST_OK);
  EXPECT_EQ(view.data, buffer.tensor().data);
  std::size_t untouched = 0;
  for (const Number number : buffer.numbers()) untouched += number == Number{99} ? 1 : 0;
  EXPECT_EQ(untouched, buffer.numbers().size() - std::size_t{2 * 5 * 3});
  for (std::int64_t i = 0; i < 2; ++i) {
    for (std::int64_t j = 0; j < 5; ++j) {
      for (std::int64_t k = 0; k < 3; ++k) {
        EXPECT_EQ(buffer.At({i, j, k}), source.At({i, j, k}));
      }
    }
  }
}

TEST(CopyToPersistent, CopiesElementsOfEveryWidth) {
  ExpectCorner<std::int8_t>(kInt8DType);
  ExpectCorner<std::uint16_t>(kFloat16DType);
  ExpectCorner<std::int32_t>(kInt32DType);
  ExpectCorner<std::int64_t>(kInt64DType);
}

TEST(CopyToPersistent, SaysWhatIsWrong) {
  const Opened naive;
  CallTensor<std::int32_t> buffer(kInt32DType, {2, 2});
  const auto refused = [&](const attest_tensor_t& source) {
    attest_tensor_t view = {};
    attest_error_t error = {};
    EXPECT_EQ(
        naive.table.copy_to_persistent(naive.table.self, &buffer.tensor(), &source, &view, &error),
        ATTEST_INVALID_ARGUMENT);
    return std::string(error.message);
  };
  EXPECT_EQ(refused(CallTensor<std::int32_t>(kInt32DType, {2, 3}).tensor()),
            "source.shape[1]: 3, the buffer has 2");
  EXPECT_EQ(refused(CallTensor<std::int32_t>(kInt32DType, {2}).tensor()),
            "source.ndim: 1, not the buffer's 2");
  EXPECT_EQ(refused(CallTensor<float>(kFloat32DType, {2, 2}).tensor()),
            "source.dtype: code 2 bits 32, not the buffer's");
}

// ---- What is not claimed is not offered

TEST(Calls, AreOfferedByThoseThatClaimThem) {
  for (const char* family : {"flash", "flex", "unified", "aiter_unified", "prefix"}) {
    const Opened opened(family);
    attest_claims_t claims = {};
    claims.struct_size = sizeof(claims);
    ASSERT_EQ(opened.table.claims(opened.table.self, &claims, nullptr), ATTEST_OK);
    const auto claimed = [&](std::uint64_t feature) { return (claims.features & feature) != 0; };
    EXPECT_EQ(opened.table.write_kv != nullptr, claimed(ATTEST_CLAIM_WRITE_KV)) << family;
    EXPECT_EQ(opened.table.merge != nullptr, claimed(ATTEST_CLAIM_MERGE)) << family;
    EXPECT_EQ(opened.table.copy_to_persistent != nullptr, claimed(ATTEST_CLAIM_COPY_TO_PERSISTENT))
        << family;
  }
}

}  // namespace
}  // namespace attest::gpu
