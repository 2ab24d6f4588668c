// SPDX-License-Identifier: Apache-2.0
//
// From a case to the bytes of its tensors. All tensors of a call lie in one image, each between
// canaries, so that one comparison after the call proves that nothing but the outputs changed.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reference/oracle.h"
#include "spec/cases/case.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct PlacedTensor {
  std::string name;  // member of attest_forward_args_t: "query", "key_cache", ...
  DType dtype = DType::kNone;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // in elements
  std::uint64_t offset = 0;  // of element [0, 0, ...], in bytes from the start of the image
  bool output = false;       // "out", "lse": the only elements that may change
};

struct CallImage {
  std::vector<std::byte> bytes;
  std::vector<PlacedTensor> tensors;

  const PlacedTensor* Find(std::string_view name) const;
  // Absent tensors give an absent view.
  TensorView View(std::string_view name) const;
};

struct CaseInputs {
  attest_problem_t abi;  // complete, with num_blocks and block_table_width
  CallImage image;       // out and lse filled with the never-written pattern
  // Logical code of V for Recipe::kVCoded (see DecodeRow in conformance/probe/decode.h): multiplier
  // of the +-1 code.
  double code_unit = 1.0;
};

// The text that a request reads. Rows of query, key and value, scales of single tokens, tree masks
// and custom masks that are not broadcast over requests follow from (case id, seed, text, absolute
// position, head) alone: not from the request's place in the batch, nor from how a prefill is cut.
struct Text {
  std::uint64_t index = 0;
  std::int64_t length = 0;  // of the whole text; at least the request's seq_len
  bool operator==(const Text&) const = default;
};

// Other inputs for the same question. The default is the case's own. Two builds of cases with the
// same id, seed, recipe, heads and dtypes hold the same rows at the same positions of equal texts,
// if `shared_text` and `code_unit` are equal too.
struct InputVariant {
  // Another order of the physical pages, and other spare pages.
  std::uint64_t page_seed = 0;
  // One a request; empty: request r reads text r, as long as its seq_len. A request that is taken
  // out of a batch, moved or cut names the text (index and whole length) that it had.
  std::vector<Text> texts;
  // Tokens at the beginning that are the same in all texts. Default: problem.shared_prefix. To be
  // given where a request is taken out of a batch with a shared prefix, or cut inside it.
  std::optional<std::int64_t> shared_text;
  // CaseInputs::code_unit of the case that this one is compared with. Default: by the lengths.
  std::optional<double> code_unit;
};

// The texts of `problem` itself; a start for a variant of it.
std::vector<Text> TextsOf(const Problem& problem);

// Other contents for every request but `kept`, at equal lengths. A shared prefix stays.
InputVariant OtherNeighbours(const Problem& problem, std::size_t kept);

// Fills every tensor of `value` from (id, seed, variant): the same bytes on every machine. Distinct
// physical pages in a seeded random order, never those of manager page 0 (which are poisoned);
// table entries past the live pages, slots that no row and head sees (class Mask), gaps and padding
// rows hold the case's poison. What the rows hold: conformance/run/inputs_rows.h.
//
//   quantised caches  key_scale and value_scale differ from one another, from 1, from head to head
//                     and from token to token as kv_scale_kind says. The step's own key and value
//                     are the cached numbers plus two fifths of a step of the format: they
//                     quantise to the cached ones, and attending to them shows.
//   page_aliasing     each request of two or more whole pages names its last whole page but one
//                     again as its last whole page; longer ones also repeat their first own page.
//   alibi_slopes      2^-(1 + h mod 8) * (1 + (h div 8) / 16): distinct for 128 heads.
//   tree_mask         a random tree for each request, ancestors-or-self marked; trees of twenty
//                     tokens and more are listed in random order, others parents first.
//   custom_mask       boolean: seven of ten keys, and no key at all in one of sixteen rows;
//                     additive: -4 to 3.875 in eighths, minus infinity for one key of eight and in
//                     one of sixteen rows for all. Drawn for each (text, head, position, key) as
//                     far as the axis is not broadcast.
//
// Bad input: what Validate says; a layout that the sizes rule out; texts that do not fit.
Result<CaseInputs> BuildInputs(const Case& value, std::uint64_t seed,
                               const InputVariant& variant = {});

// The tensors as the oracle reads them.
AttentionTensors TensorsOf(const CallImage& image);

// The element pattern that outputs are filled with before a call: a NaN whose payload no arithmetic
// produces. Bytes of one element of `dtype`.
std::vector<std::byte> NeverWritten(DType dtype);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_H_
