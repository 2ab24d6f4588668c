// SPDX-License-Identifier: Apache-2.0
#include "spec/abi/attest.h"

#include <dlpack/dlpack.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <vector>

#include "spec/vocabulary/problem.h"

// In attest_test.c, compiled as C99.
extern "C" attest_status_t AttestC99Check(attest_backend_t* backend);

namespace attest {
namespace {

TEST(Abi, ABackendWrittenInC99CanBeCalled) {
  attest_backend_t backend = {};
  EXPECT_EQ(AttestC99Check(&backend), ATTEST_REFUSED);
  EXPECT_EQ(backend.struct_size, sizeof(backend));
  EXPECT_EQ(backend.abi_version, ATTEST_ABI_VERSION);
}

TEST(Abi, ATensorHasTheLayoutOfDLPacks) {
  EXPECT_EQ(sizeof(attest_tensor_t), sizeof(DLTensor));
  EXPECT_EQ(offsetof(attest_tensor_t, data), offsetof(DLTensor, data));
  EXPECT_EQ(offsetof(attest_tensor_t, device), offsetof(DLTensor, device));
  EXPECT_EQ(offsetof(attest_tensor_t, ndim), offsetof(DLTensor, ndim));
  EXPECT_EQ(offsetof(attest_tensor_t, dtype), offsetof(DLTensor, dtype));
  EXPECT_EQ(offsetof(attest_tensor_t, shape), offsetof(DLTensor, shape));
  EXPECT_EQ(offsetof(attest_tensor_t, strides), offsetof(DLTensor, strides));
  EXPECT_EQ(offsetof(attest_tensor_t, byte_offset), offsetof(DLTensor, byte_offset));
  EXPECT_EQ(offsetof(attest_device_t, device_type), offsetof(DLDevice, device_type));
  EXPECT_EQ(offsetof(attest_device_t, device_id), offsetof(DLDevice, device_id));
  EXPECT_EQ(offsetof(attest_dtype_t, code), offsetof(DLDataType, code));
  EXPECT_EQ(offsetof(attest_dtype_t, bits), offsetof(DLDataType, bits));
  EXPECT_EQ(offsetof(attest_dtype_t, lanes), offsetof(DLDataType, lanes));
}

// Types that came to DLPack after the version that Debian 12 packages (0.6) have no name there:
// kDLBool is 6, kDLFloat8_e4m3fn 10, _e4m3fnuz 11, _e5m2 12 and _e5m2fnuz 13 in DLPack 1.1's
// dlpack.h.
TEST(Abi, DevicesAndTypesHaveDLPacksNumbers) {
  EXPECT_EQ(+ATTEST_DEVICE_CPU, +kDLCPU);
  EXPECT_EQ(+ATTEST_DEVICE_CUDA, +kDLCUDA);
  EXPECT_EQ(+ATTEST_DEVICE_CUDA_HOST, +kDLCUDAHost);
  EXPECT_EQ(+ATTEST_DEVICE_ROCM, +kDLROCM);
  EXPECT_EQ(+ATTEST_DEVICE_ROCM_HOST, +kDLROCMHost);
  EXPECT_EQ(+ATTEST_INT, +kDLInt);
  EXPECT_EQ(+ATTEST_UINT, +kDLUInt);
  EXPECT_EQ(+ATTEST_FLOAT, +kDLFloat);
  EXPECT_EQ(+ATTEST_BFLOAT, +kDLBfloat);
  EXPECT_EQ(+ATTEST_BOOL, 6);
  EXPECT_EQ(+ATTEST_FLOAT8_E4M3FN, 10);
  EXPECT_EQ(+ATTEST_FLOAT8_E4M3FNUZ, 11);
  EXPECT_EQ(+ATTEST_FLOAT8_E5M2, 12);
  EXPECT_EQ(+ATTEST_FLOAT8_E5M2FNUZ, 13);
}

// Zero is the ordinary value of every enum of a problem.
TEST(Abi, AZeroedProblemIsACausalDecoderWithoutAnythingElse) {
  const attest_problem_t zeroed = {};
  EXPECT_EQ(zeroed.attention_type, ATTEST_DECODER);
  EXPECT_EQ(zeroed.causality, ATTEST_CAUSAL);
  EXPECT_EQ(zeroed.kv_layout, ATTEST_KV_STRIDED);
  EXPECT_EQ(zeroed.custom_mask_kind, ATTEST_MASK_NONE);
  EXPECT_EQ(zeroed.kv_scale_kind, ATTEST_KV_SCALE_NONE);

  Problem plain;
  plain.lse = false;
  const attest_problem_t abi = ToAbi(plain);
  EXPECT_EQ(abi.attention_type, zeroed.attention_type);
  EXPECT_EQ(abi.causality, zeroed.causality);
  EXPECT_EQ(abi.flags, zeroed.flags);
  EXPECT_EQ(abi.softcap, zeroed.softcap);
  EXPECT_EQ(abi.window_left, zeroed.window_left);
  EXPECT_EQ(abi.window_right, zeroed.window_right);
  EXPECT_EQ(abi.local_block_size, zeroed.local_block_size);
  EXPECT_EQ(abi.kv_layout, zeroed.kv_layout);
  EXPECT_EQ(abi.custom_mask_kind, zeroed.custom_mask_kind);
  EXPECT_EQ(abi.kv_scale_kind, zeroed.kv_scale_kind);
}

TEST(Abi, FlagsAndStatusesAndVersionHaveTheNumbersTheyAreKnownBy) {
  const std::vector<std::uint32_t> flags = {ATTEST_FLAG_LSE,
                                            ATTEST_FLAG_SINKS,
                                            ATTEST_FLAG_ALIBI,
                                            ATTEST_FLAG_PREFIX_RANGES,
                                            ATTEST_FLAG_PREFIX_CLAMPED,
                                            ATTEST_FLAG_TREE_MASK,
                                            ATTEST_FLAG_BATCH_INVARIANT,
                                            ATTEST_FLAG_PAGE_ALIASING,
                                            ATTEST_FLAG_VALUE_IS_KEY_PREFIX};
  for (std::size_t bit = 0; bit < flags.size(); ++bit) EXPECT_EQ(flags[bit], 1U << bit);
  const std::vector<int> statuses = {
      ATTEST_OK,        ATTEST_REFUSED,     ATTEST_INVALID_ARGUMENT, ATTEST_OUT_OF_MEMORY,
      ATTEST_NO_DEVICE, ATTEST_DEVICE_LOST, ATTEST_ABI_MISMATCH,     ATTEST_INTERNAL};
  for (std::size_t i = 0; i < statuses.size(); ++i) EXPECT_EQ(statuses[i], static_cast<int>(i));
  EXPECT_EQ(ATTEST_ABI_VERSION, 1U);  // 0.1
}

}  // namespace
}  // namespace attest
