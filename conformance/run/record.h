// SPDX-License-Identifier: Apache-2.0
//
// Record: what is known about one case after it ran. Deterministic for a deterministic backend: no
// times, no paths, no process ids. Its JSON form is one line of records.jsonl.
#ifndef ATTEST_CONFORMANCE_RUN_RECORD_H_
#define ATTEST_CONFORMANCE_RUN_RECORD_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "conformance/judge/verdict.h"
#include "spec/vocabulary/status.h"

namespace attest {

// One wrong number. For the LSE, dim is -1.
struct Element {
  int request = 0;
  std::int64_t row = 0;  // within the request
  int head = 0;          // query head
  int dim = 0;
  double expected = 0;
  double got = 0;
  double bound = 0;
  bool operator==(const Element&) const = default;
};

// A key that a row sees and should not, or should see and does not, read off the output by
// decoding.
struct WrongKey {
  int request = 0;
  std::int64_t row = 0;
  int head = 0;
  std::int64_t key = 0;  // logical; >= seq_len: a slot past the end
  bool extra = false;    // true: seen and should not be
  bool operator==(const WrongKey&) const = default;
};

// One wrong (row, head); `ratio` is the worst error/bound in it: infinite for a NaN or a
// never-written element, the largest finite number for a number where no error is allowed.
struct WrongCell {
  int request = 0;
  std::int64_t row = 0;
  int head = 0;
  double ratio = 0;
  bool operator==(const WrongCell&) const = default;
};

struct Record {
  std::string case_id;
  std::string content_hash;
  std::uint64_t seed = 0;
  Verdict verdict = Verdict::kMissing;
  std::string note;    // "suspect", or empty
  std::string reason;  // one line: why the verdict is not pass, or what is suspected
  // Which judgement decided: "exact", "bound", "statistics", "bitwise", "bytes" (write_kv),
  // "refusal", "invalid", "untouched", "status", "environment" (no child could be started).
  std::string rule;
  std::vector<std::string> clauses;
  std::vector<std::string> profiles;

  std::vector<std::string> exposes;  // mutants that this input must expose (the power certificate)

  std::int64_t rows_judged = 0;  // (request, head, query row) triples
  std::int64_t rows_total = 0;
  double worst_ratio = 0;      // largest error/bound over all judged elements, also when all passed
  std::vector<Element> worst;  // at most 8, worst first; only when not pass
  std::vector<WrongCell> wrong_cells;  // at most 4096, in order; only when not pass
  std::int64_t wrong_cells_total = 0;
  std::vector<WrongKey> wrong_keys;  // at most 4096, where decoding named them
  std::string repro;                 // the command that replays this case alone
  std::string waiver;                // with kWaived: the entry's reason and link

  bool operator==(const Record&) const = default;
};

nlohmann::ordered_json ToJson(const Record& record);
// Bad input names the field.
Result<Record> RecordFromJson(const nlohmann::ordered_json& json);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_RECORD_H_
