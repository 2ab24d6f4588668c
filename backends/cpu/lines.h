// SPDX-License-Identifier: Apache-2.0
//
// Where the rows of keys or values of one KV head lie: paged in any layout, or packed.
#ifndef ATTEST_BACKENDS_CPU_LINES_H_
#define ATTEST_BACKENDS_CPU_LINES_H_

#include <cstddef>
#include <cstdint>

#include "backends/cpu/element_type.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

// Row (page, slot) begins at data + page * page_bytes + slot * slot_bytes. It lies in pieces of
// `piece` columns, piece_bytes apart; the columns of a piece are column_stride elements apart.
struct Lines {
  std::byte* data = nullptr;
  std::int64_t page_bytes = 0;
  std::int64_t slot_bytes = 0;
  std::int64_t piece_bytes = 0;
  std::int64_t column_stride = 1;
  ElementType type = ElementType::kFloat32;
  int piece = 0;
  int width = 0;

  std::byte* At(std::int64_t page, std::int64_t slot) const {
    return data + page * page_bytes + slot * slot_bytes;
  }
  std::byte* At(std::int64_t page, std::int64_t slot, int column) const {
    return At(page, slot) + column / piece * piece_bytes +
           column % piece * column_stride * BytesOf(type);
  }
  // The row can be read as an array of float32 where it lies.
  bool plain() const {
    return type == ElementType::kFloat32 && column_stride == 1 && piece == width;
  }
};

// Packed tokens [slot, head, column].
Lines TokenLines(const attest_tensor_t& tokens, std::int64_t kv_head);
// A cache in either layout.
Lines CacheLines(const attest_tensor_t& cache, attest_kv_layout_t layout, std::int64_t kv_head);

// The scales of one KV head; 1 where there are none.
struct Scales {
  std::byte* data = nullptr;
  std::int64_t page_bytes = 0;
  std::int64_t slot_bytes = 0;

  std::byte* At(std::int64_t page, std::int64_t slot) const {
    return data + page * page_bytes + slot * slot_bytes;
  }
  float ValueAt(std::int64_t page, std::int64_t slot) const;
};
// `tensor` is [page, slot, head].
Scales ScalesOf(attest_kv_scale_kind_t kind, const attest_tensor_t& tensor, std::int64_t kv_head);

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_LINES_H_
