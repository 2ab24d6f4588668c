// SPDX-License-Identifier: Apache-2.0
//
// Numbers of a step in memory that outlives it.
#ifndef ATTEST_BACKENDS_CPU_PERSISTENT_H_
#define ATTEST_BACKENDS_CPU_PERSISTENT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backends/cpu/answer.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

// attest_backend_t.copy_to_persistent: clauses GRAPH-11 to GRAPH-14. Allocates nothing.
Answer CopyToPersistent(const attest_tensor_t& buffer, const attest_tensor_t& source,
                        attest_tensor_t& view);

// A dense buffer with the view that the last Take has given.
class PersistentBuffer {
 public:
  PersistentBuffer(const char* name, attest_dtype_t dtype, std::vector<std::int64_t> shape);
  PersistentBuffer(const PersistentBuffer&) = delete;
  PersistentBuffer& operator=(const PersistentBuffer&) = delete;

  Answer Take(const attest_tensor_t& source);
  const attest_tensor_t& view() const { return view_; }
  attest_persistent_view_t Describe() const;

 private:
  const char* name_;
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
  std::vector<std::int64_t> view_shape_;
  std::vector<std::int64_t> view_strides_;
  std::vector<std::byte> bytes_;
  attest_tensor_t buffer_ = {};
  attest_tensor_t view_ = {};
};

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_PERSISTENT_H_
