// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/mask_difference.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "conformance/probe/decode.h"

namespace attest {
namespace {

constexpr double kCodeMargin = 0.25;  // of N * output from the code sum, in code units
// From here on a set of up to 8 keys that explains all columns is the only one.
constexpr int kDecodeColumns = 64;

// Sums of the codes of keys 0..key-1 of one request, as a row of one kv head reads them.
class CodeSums {
 public:
  CodeSums(const Box& box, std::size_t request, int kv_head)
      : dims_(box.problem().head_dim_v), sums_(static_cast<std::size_t>(dims_), 0.0F) {
    for (std::int64_t key = 0; key < box.problem().requests[request].seq_len; ++key) {
      const std::int64_t place = box.PlaceOf(request, key);
      for (int dim = 0; dim < dims_; ++dim) {
        const double code =
            place < 0 ? 0.0 : box.Value(place, kv_head, dim) / box.inputs().code_unit;
        sums_.push_back(sums_[sums_.size() - static_cast<std::size_t>(dims_)] +
                        static_cast<float>(code));
      }
    }
  }

  double Of(const std::vector<KeyRange>& runs, int dim) const {
    double sum = 0;
    for (const KeyRange& run : runs) sum += At(run.last, dim) - At(run.first, dim);
    return sum;
  }

 private:
  float At(std::int64_t key, int dim) const {
    return sums_[static_cast<std::size_t>(key * dims_ + dim)];
  }
  int dims_;
  std::vector<float> sums_;
};

std::vector<double> OutputsOf(const Answers& answers, const Box& box, const ProbeRow& row) {
  std::vector<double> out;
  for (int dim = 0; dim < box.problem().head_dim_v; ++dim) {
    out.push_back(answers.Out(box.TokenOf(row), row.head, dim));
  }
  return out;
}

// Largest distance from what the spec expects, in code units; NaN where the output is none.
double MarginOf(const std::vector<double>& out, const CodeSums& sums,
                const std::vector<KeyRange>& spec, double unit) {
  const auto count = static_cast<double>(KeyCount(spec));
  double margin = 0;
  for (std::size_t dim = 0; dim < out.size(); ++dim) {
    const double off =
        count > 0 ? std::abs(out[dim] / unit * count - sums.Of(spec, static_cast<int>(dim)))
                  : std::abs(out[dim]);
    if (!(off <= margin)) margin = off;
  }
  return margin;
}

// The spec's keys with those that DecodeRow named added or taken away.
std::vector<KeyRange> Changed(const std::vector<KeyRange>& spec,
                              const std::vector<WrongKey>& wrong) {
  std::vector<std::int64_t> keys;
  for (const KeyRange& run : spec) {
    for (std::int64_t key = run.first; key < run.last; ++key) keys.push_back(key);
  }
  for (const WrongKey& change : wrong) {
    if (change.extra) {
      keys.push_back(change.key);
    } else {
      std::erase(keys, change.key);
    }
  }
  std::sort(keys.begin(), keys.end());
  return RunsOf(keys);
}

RowReading VerifyRow(const Box& box, const Answers& answers, const CodeSums& sums,
                     const ProbeRow& row) {
  const std::vector<KeyRange> spec = box.SpecKeys(row);
  const std::vector<double> out = OutputsOf(answers, box, row);
  RowReading reading{.row = row};
  reading.margin = MarginOf(out, sums, spec, box.inputs().code_unit);
  if (reading.margin < kCodeMargin) {
    reading.conclusive = true;
    reading.keys = spec;
    reading.count = KeyCount(spec);
    return reading;
  }
  const Problem& p = box.problem();
  if (p.head_dim_v >= kDecodeColumns) {
    const std::vector<WrongKey> wrong =
        DecodeRow(box.problem(), box.inputs(), {row.request, row.row}, row.head, out,
                  answers.Lse(box.TokenOf(row), row.head));
    reading.conclusive = !wrong.empty();
    reading.keys = Changed(spec, wrong);
    reading.count = KeyCount(reading.keys);
  }
  if (!reading.conclusive) reading.why = "differs from the spec by more than few keys";
  return reading;
}

}  // namespace

std::vector<KeyRange> Without(const std::vector<KeyRange>& from,
                              const std::vector<KeyRange>& without) {
  std::vector<KeyRange> left;
  std::size_t next = 0;
  for (const KeyRange& run : from) {
    std::int64_t first = run.first;
    while (next < without.size() && without[next].last <= first) ++next;
    for (std::size_t i = next; i < without.size() && without[i].first < run.last; ++i) {
      if (without[i].first > first) left.push_back({first, without[i].first});
      first = std::max(first, without[i].last);
    }
    if (first < run.last) left.push_back({first, run.last});
  }
  return left;
}

std::int64_t KeyCount(const std::vector<KeyRange>& runs) {
  std::int64_t count = 0;
  for (const KeyRange& run : runs) count += run.last - run.first;
  return count;
}

RowDifference DifferenceOf(const Box& box, const RowReading& reading) {
  const std::vector<KeyRange> spec = box.SpecKeys(reading.row);
  return {.extra = Without(reading.keys, spec),
          .missed = Without(spec, reading.keys),
          .strays = !reading.strays.empty(),
          .repeats = !reading.repeats.empty()};
}

Result<MaskReading> VerifyMask(Box& box, const std::vector<ProbeRow>& rows) {
  box.Reset();
  Result<Answers> answers = box.Call();
  if (!answers.ok()) return answers.status();
  MaskReading reading;
  for (const ProbeRow& row : rows.empty() ? AllProbeRows(box.problem()) : rows) {
    reading.rows.push_back({.row = row});
  }
  std::map<std::pair<int, int>, std::vector<std::size_t>> groups;  // (request, kv head) -> rows
  for (std::size_t i = 0; i < reading.rows.size(); ++i) {
    const ProbeRow& row = reading.rows[i].row;
    groups[{row.request, row.head / box.problem().group()}].push_back(i);
  }
  for (const auto& [group, members] : groups) {
    const CodeSums sums(box, static_cast<std::size_t>(group.first), group.second);
    for (const std::size_t i : members) {
      reading.rows[i] = VerifyRow(box, *answers, sums, reading.rows[i].row);
    }
  }
  reading.calls = box.calls();
  reading.lse = answers->has_lse();
  return reading;
}

Result<MaskReading> ReadMaskAgainstSpec(Box& box, const std::vector<ProbeRow>& rows) {
  Result<MaskReading> verified = VerifyMask(box, rows);
  if (!verified.ok()) return verified;
  std::vector<ProbeRow> open;
  std::vector<std::size_t> where;
  for (std::size_t i = 0; i < verified->rows.size(); ++i) {
    if (verified->rows[i].conclusive) continue;
    open.push_back(verified->rows[i].row);
    where.push_back(i);
  }
  if (open.empty()) return verified;
  Result<MaskReading> read = ReadMask(box, open);
  if (!read.ok()) return read;
  for (std::size_t i = 0; i < where.size(); ++i) {
    RowReading& row = read->rows[i];
    if (row.conclusive && !DifferenceOf(box, row).any()) {
      row.other_values = true;
      row.why =
          "the keys are right, but not what stands in them: another head's, or another value "
          "(see 'attest probe heads' and 'attest probe pages')";
    }
    verified->rows[where[i]] = std::move(row);
  }
  verified->calls = read->calls;
  verified->bits = read->bits;
  verified->notes = read->notes;
  return verified;
}

}  // namespace attest
