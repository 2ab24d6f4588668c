// SPDX-License-Identifier: Apache-2.0
//
// Where the keys and values of one request and one KV head lie, paged or packed.
#ifndef ATTEST_BACKENDS_CPU_KEY_SOURCE_H_
#define ATTEST_BACKENDS_CPU_KEY_SOURCE_H_

#include <cstdint>
#include <optional>

#include "backends/cpu/int_list.h"
#include "backends/cpu/key_span.h"
#include "backends/cpu/lines.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

// A tile of keys or values as float32 rows: where they lie, or converted.
struct RowBuffer {
  const float** rows;  // [kKeyTile]
  float* converted;    // [kKeyTile][pitch]
  int pitch;           // >= the width, in floats; converted rows are padded with 0
  bool convert_plain;  // convert also rows that could be read where they lie
};

class KeySource {
 public:
  // Keys of `request`, whose rows in query begin at `start`.
  KeySource(const attest_problem_t& problem, const attest_forward_args_t& args,
            std::int64_t request, std::int64_t start, std::int64_t kv_head);

  // Rows tile .. tile + kKeyTile - 1: those of `wanted` are read; the others are rows of zeros, and
  // their memory is not touched.
  void Read(std::int64_t tile, KeyBits wanted, const RowBuffer& keys,
            const RowBuffer& values) const;

 private:
  Lines keys_;
  Lines values_;
  Scales key_scales_;
  Scales value_scales_;
  std::optional<IntList> table_;  // packed keys have none
  std::int64_t block_size_ = 0;
  std::int64_t start_ = 0;
};

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_KEY_SOURCE_H_
