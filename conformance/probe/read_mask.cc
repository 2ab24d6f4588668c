// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/read_mask.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace attest {
namespace {

// How well one output tells a ratio of whole numbers: truncation, and a little for splits.
double AnchorError(DType output) {
  const auto format = FormatOf(output);
  return format ? 2.2 * format->unit_roundoff + 4e-6 : 0.01;
}

// Weights of anchor columns. Different ones round differently; each is exact in every type.
double AnchorWeight(int column) { return 1.0 + (column * 3 % 8) / 8.0; }

class MaskReader {
 public:
  MaskReader(Box& box, std::vector<ProbeRow> rows)
      : box_(box), rows_(std::move(rows)), dim_(box.problem().head_dim_v) {
    for (const ProbeRow& row : rows_) tokens_.push_back(box_.TokenOf(row));
    readings_.resize(rows_.size());
    for (std::size_t i = 0; i < rows_.size(); ++i) readings_[i].row = rows_[i];
  }

  Result<MaskReading> Run() {
    const Problem& p = box_.problem();
    code_ = CodeFor(p.output_dtype, {p.cache_dtype, p.query_dtype}, dim_);
    const int bits = code_.bits;
    if (Status status = ReadAll(Everything()); !status.ok()) return status;
    if (const auto again = With(ColumnFault::kNotQuite); !again.empty() && code_.bits > 2) {
      --code_.bits;
      notes_.push_back(fmt::format(
          "{} rows were read again with {} bits a column: their outputs seem to be truncated",
          again.size(), code_.bits));
      if (Status status = ReadAll(again); !status.ok()) return status;
      code_.bits = bits;
    }
    if (const auto again = With(ColumnFault::kNotAll); !again.empty() && code_.bits >= 3) {
      code_.digit_bits = 2;
      notes_.push_back(fmt::format("{} rows were read again with digits that count", again.size()));
      if (Status status = ReadAll(again); !status.ok()) return status;
      code_.digit_bits = 1;
    }
    return MaskReading{.rows = std::move(readings_),
                       .calls = box_.calls(),
                       .bits = bits,
                       .lse = lse_rows_ > 0,
                       .notes = std::move(notes_)};
  }

 private:
  std::vector<std::size_t> Everything() const {
    std::vector<std::size_t> all(rows_.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    return all;
  }

  std::vector<std::size_t> With(ColumnFault fault) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < faults_.size(); ++i) {
      if (faults_[i] == fault) found.push_back(i);
    }
    return found;
  }

  std::int64_t NumPlaces() const { return static_cast<std::int64_t>(box_.places().size()); }
  std::int64_t NumColumns() const { return (NumPlaces() + code_.places() - 1) / code_.places(); }

  void SetValues(std::int64_t place, int dim, double value) {
    for (int h = 0; h < box_.problem().num_kv_heads; ++h) box_.SetValue(place, h, dim, value);
  }

  // Digits of the places of columns first..first+dim-1, or 0 in their stead.
  void Write(std::int64_t first, bool digits) {
    const std::int64_t end = std::min(NumPlaces(), (first + dim_) * code_.places());
    for (std::int64_t place = first * code_.places(); place < end; ++place) {
      const auto column = static_cast<int>(place / code_.places() - first);
      const auto digit = static_cast<int>(place % code_.places());
      SetValues(place, column, digits ? code_.ValueOf(digit) : 0.0);
    }
  }

  Status ReadAll(const std::vector<std::size_t>& which) {
    columns_.assign(rows_.size(), {});
    lse_.assign(rows_.size(), NAN);
    faults_.resize(rows_.size(), ColumnFault::kNone);
    box_.Flatten();
    for (std::int64_t first = 0; first < NumColumns(); first += dim_) {
      Write(first, true);
      Result<Answers> answers = box_.Call();
      if (!answers.ok()) return answers.status();
      Write(first, false);
      const std::int64_t wide = std::min<std::int64_t>(dim_, NumColumns() - first);
      for (const std::size_t i : which) {
        for (int c = 0; c < wide; ++c) {
          columns_[i].push_back(static_cast<float>(answers->Out(tokens_[i], rows_[i].head, c)));
        }
        if (first == 0) lse_[i] = answers->Lse(tokens_[i], rows_[i].head);
      }
    }
    return Decode(which);
  }

  // Rows that their LSE explains; the others by anchors.
  Status Decode(const std::vector<std::size_t>& which) {
    std::vector<std::size_t> left;
    for (const std::size_t i : which) {
      if (std::isnan(lse_[i])) {
        left.push_back(i);
        continue;
      }
      Keep(i, ReadColumns(columns_[i], NumPlaces(), code_, CountsFromLse(lse_[i])));
      if (faults_[i] == ColumnFault::kNone) {
        ++lse_rows_;
      } else if (faults_[i] != ColumnFault::kNotNumbers) {
        left.push_back(i);
      }
    }
    if (left.empty()) return {};
    Result<std::vector<Counts>> counts = Anchors(left);
    if (!counts.ok()) return counts.status();
    for (std::size_t n = 0; n < left.size(); ++n) {
      const std::size_t i = left[n];
      const ColumnFault before = faults_[i];
      const std::string why = readings_[i].why;
      Keep(i, ReadByAnchors(i, (*counts)[n]));
      if (std::isnan(lse_[i])) continue;
      if (faults_[i] == ColumnFault::kNone) {
        readings_[i].why = fmt::format("exp(LSE) is {:.6g}, but the outputs show {} keys",
                                       std::exp(lse_[i]), readings_[i].count);
      } else if (before != ColumnFault::kNotWhole) {
        faults_[i] = before;  // what the LSE showed says more
        readings_[i].why = why;
      }
    }
    return {};
  }

  // Anchors say N/m where each of their places was seen m times or more: a large page that is read
  // in the place of another. Digits of one bit then only tell that something was.
  ColumnResult ReadByAnchors(std::size_t i, const Counts& counts) const {
    ColumnResult once = ReadColumns(columns_[i], NumPlaces(), code_, counts);
    if (once.fault == ColumnFault::kNone || once.fault == ColumnFault::kNotNumbers) return once;
    for (const int times : {2, 3}) {
      ColumnResult more =
          ReadColumns(columns_[i], NumPlaces(), code_, {counts.first * times, counts.last * times});
      if (more.fault == ColumnFault::kNotAll) return more;
      if (more.fault == ColumnFault::kNone && code_.digit_bits > 1) return more;
    }
    return once;
  }

  // N of each row from columns that hold one place each, of groups that together meet every row. A
  // row whose columns are all 0 sees nothing; Counts are then 0..0.
  Result<std::vector<Counts>> Anchors(const std::vector<std::size_t>& which) {
    std::vector<Counts> counts(which.size(), {1.0, 0.0});  // empty range: unknown
    std::vector<bool> need(which.size(), false);
    for (std::size_t n = 0; n < which.size(); ++n) {
      const auto& columns = columns_[which[n]];
      need[n] = std::any_of(columns.begin(), columns.end(), [](float x) { return x != 0.0F; });
      if (!need[n]) counts[n] = {0.0, 0.0};
    }
    box_.Flatten();
    while (std::find(need.begin(), need.end(), true) != need.end()) {
      const std::vector<std::int64_t> groups = ChooseGroups(which, need);
      if (Status status = AskAnchors(which, groups, need, counts); !status.ok()) return status;
    }
    return counts;
  }

  // As many as one call holds: first those that meet rows which no other met, then those that meet
  // most rows, since places that are seen once say more than places that are seen twice.
  std::vector<std::int64_t> ChooseGroups(const std::vector<std::size_t>& which,
                                         const std::vector<bool>& need) const {
    std::vector<std::int64_t> groups;
    std::vector<bool> left = need;
    const auto most = static_cast<std::size_t>(std::max(1, dim_ / code_.places()));
    while (groups.size() < most) {
      const bool covered = std::find(left.begin(), left.end(), true) == left.end();
      const std::int64_t best = GroupThatMeetsMost(which, covered ? need : left, groups);
      if (best < 0) break;
      groups.push_back(best);
      for (std::size_t n = 0; n < which.size(); ++n) {
        if (columns_[which[n]][static_cast<std::size_t>(best)] != 0.0F) left[n] = false;
      }
    }
    return groups;
  }

  // -1: no further group meets any of these rows.
  std::int64_t GroupThatMeetsMost(const std::vector<std::size_t>& which,
                                  const std::vector<bool>& wanted,
                                  const std::vector<std::int64_t>& chosen) const {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(NumColumns()), 0);
    for (std::size_t n = 0; n < which.size(); ++n) {
      for (std::size_t c = 0; wanted[n] && c < rows.size(); ++c) {
        rows[c] += columns_[which[n]][c] != 0.0F ? 1 : 0;
      }
    }
    for (const std::int64_t group : chosen) rows[static_cast<std::size_t>(group)] = 0;
    const auto best = std::max_element(rows.begin(), rows.end());
    return *best == 0 ? -1 : best - rows.begin();
  }

  Status AskAnchors(const std::vector<std::size_t>& which, const std::vector<std::int64_t>& groups,
                    std::vector<bool>& need, std::vector<Counts>& counts) {
    std::vector<std::int64_t> places;
    for (const std::int64_t group : groups) {
      for (int i = 0; i < code_.places(); ++i) {
        const std::int64_t place = group * code_.places() + i;
        if (place < NumPlaces() && static_cast<int>(places.size()) < dim_) places.push_back(place);
      }
    }
    const auto write = [&](bool on) {
      for (std::size_t c = 0; c < places.size(); ++c) {
        const int column = static_cast<int>(c);
        SetValues(places[c], column, on ? AnchorWeight(column) * code_.unit : 0.0);
      }
    };
    write(true);
    Result<Answers> answers = box_.Call();
    if (!answers.ok()) return answers.status();
    write(false);
    const double error = AnchorError(box_.problem().output_dtype);
    for (std::size_t n = 0; n < which.size(); ++n) {
      if (!need[n]) continue;
      const std::size_t i = which[n];
      std::vector<double> says;  // N, of each place that was seen; seen m times, N/m
      for (std::size_t c = 0; c < places.size(); ++c) {
        const double out = answers->Out(tokens_[i], rows_[i].head, static_cast<int>(c));
        if (out > 0) says.push_back(AnchorWeight(static_cast<int>(c)) * code_.unit / out);
      }
      const bool met = !says.empty();
      const double most = met ? *std::max_element(says.begin(), says.end()) : 0.0;
      Counts range{0, HUGE_VAL};
      for (const double count : says) {
        if (count * (1 + error) < most * (1 - error)) continue;
        range.first = std::max(range.first, count * (1 - error));
        range.last = std::min(range.last, count * (1 + error));
      }
      const bool group_met = std::any_of(groups.begin(), groups.end(), [&](std::int64_t g) {
        return columns_[i][static_cast<std::size_t>(g)] != 0.0F;
      });
      if (met) counts[n] = range;
      if (met || group_met) need[n] = false;
    }
    return {};
  }

  void Keep(std::size_t i, ColumnResult result) {
    RowReading& reading = readings_[i];
    reading = {.row = rows_[i]};
    faults_[i] = result.fault;
    reading.conclusive = result.fault == ColumnFault::kNone;
    reading.why = Reason(i, result);
    if (!reading.conclusive) return;
    reading.count = result.reading.count;
    reading.margin = result.reading.margin;
    const auto request = static_cast<std::size_t>(rows_[i].request);
    std::vector<std::int64_t> keys;
    for (std::size_t n = 0; n < result.reading.places.size(); ++n) {
      const std::int64_t place = result.reading.places[n];
      const int times = result.reading.times[n];
      const std::int64_t key = box_.KeyAt(request, place);
      if (key < 0) {
        reading.strays.push_back({place, times});
      } else {
        keys.push_back(key);
        if (times > 1) reading.repeats.push_back({place, times});
      }
    }
    std::sort(keys.begin(), keys.end());
    reading.keys = RunsOf(keys);
  }

  std::string Reason(std::size_t i, const ColumnResult& result) const {
    switch (result.fault) {
      case ColumnFault::kNone:
        return "";
      case ColumnFault::kNotNumbers:
        return "the output holds NaN or infinity, or was not written";
      case ColumnFault::kNotWhole: {
        const std::string lse =
            std::isnan(lse_[i]) ? "" : fmt::format("; exp(LSE) is {:.6g}", std::exp(lse_[i]));
        return "the weights of the keys are not equal although all scores are 0: a bias, slopes "
               "or a sink of the backend's own" +
               lse;
      }
      case ColumnFault::kNotQuite:
        return "outputs lie too far from what equal weights give";
      case ColumnFault::kNotAll:
        return fmt::format(
            "the weights add up to {} keys, but only {:.0f} were found: one is read more than 3 "
            "times, or memory outside the cache is read, or a sink joins in",
            result.reading.count, result.seen);
      case ColumnFault::kAmbiguous:
        return "more than one number of keys explains the outputs";
    }
    return "";
  }

  Box& box_;
  std::vector<ProbeRow> rows_;
  std::vector<std::int64_t> tokens_;
  int dim_;
  DigitCode code_;
  std::vector<std::vector<float>> columns_;  // of each row
  std::vector<double> lse_;
  std::vector<ColumnFault> faults_;
  std::vector<RowReading> readings_;
  std::vector<std::string> notes_;
  std::int64_t lse_rows_ = 0;
};

}  // namespace

std::vector<KeyRange> RunsOf(const std::vector<std::int64_t>& keys) {
  std::vector<KeyRange> runs;
  for (const std::int64_t key : keys) {
    if (runs.empty() || runs.back().last != key) runs.push_back({key, key});
    runs.back().last = key + 1;
  }
  return runs;
}

Result<MaskReading> ReadMask(Box& box, const std::vector<ProbeRow>& rows) {
  return MaskReader(box, rows.empty() ? AllProbeRows(box.problem()) : rows).Run();
}

}  // namespace attest
