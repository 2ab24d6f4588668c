// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/row_tile.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/convert.h"
#include "backends/cpu/int_list.h"
#include "backends/cpu/key_source.h"
#include "backends/cpu/sight.h"
#include "backends/cpu/tensor_address.h"

namespace attest::cpu {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Up to this many rows (a decode step of a group of 8), transposing the keys costs more than it
// saves.
constexpr int kFewRows = 8;

class TileRun {
 public:
  TileRun(const attest_problem_t& problem, const attest_forward_args_t& args, const RowTile& tile,
          Scratch& scratch)
      : p_(problem),
        args_(args),
        tile_(tile),
        s_(scratch),
        group_(problem.num_q_heads / problem.num_kv_heads),
        start_(IntList(args.query_start_loc)[tile.request]),
        q_len_(IntList(args.query_start_loc)[tile.request + 1] - start_),
        seq_len_(IntList(args.seq_lens)[tile.request]),
        count_(static_cast<int>(std::min<std::int64_t>(kRowTile, q_len_ * group_ - tile.first))),
        blocks_((count_ + kBlockRows - 1) / kBlockRows),
        head_dim_(problem.head_dim_qk),
        columns_(RoundUp(problem.head_dim_v, kPanel)),
        source_(problem, args, tile.request, start_, tile.kv_head),
        sight_(problem, args, tile.request, start_, q_len_, seq_len_) {}

  void Run() {
    Begin();
    const bool few = count_ <= kFewRows;
    if (!few) PackAllQueries();
    const std::int64_t first = hull_.first / kKeyTile * kKeyTile;
    for (std::int64_t tile = first; !hull_.empty() && tile < hull_.last; tile += kKeyTile) {
      if (!Look(tile)) continue;
      if (few) {
        VisitFew(tile);
      } else {
        VisitMany(tile);
      }
    }
    for (int row = 0; row < count_; ++row) Finish(row);
  }

 private:
  std::int64_t TokenOf(int row) const { return (tile_.first + row) / group_; }
  std::int64_t HeadOf(int row) const {
    return tile_.kv_head * group_ + (tile_.first + row) % group_;
  }
  float* QueryOf(int row) const {
    return s_.queries + static_cast<std::ptrdiff_t>(row) * head_dim_;
  }
  float* WeightsOf(int row) const { return s_.weights + row * kKeyTile; }
  float* SumsOf(int row) const { return s_.sums + static_cast<std::ptrdiff_t>(row) * columns_; }

  float* BiasOf(int row) const { return sight_.biased() ? s_.bias + row * kKeyTile : nullptr; }

  // Queries, hulls and empty sums; rows that fill up the last block see nothing.
  void Begin() {
    const ElementType type = *ElementTypeOf(p_.query_dtype);
    std::fill(SumsOf(0), SumsOf(blocks_ * kBlockRows), 0.0F);
    for (int row = 0; row < blocks_ * kBlockRows; ++row) {
      s_.state[row] = {-std::numeric_limits<float>::infinity(), 0.0F};
      s_.hull[row] = {};
      s_.saw_any[row] = false;
      if (row >= count_) continue;
      s_.hull[row] = sight_.HullOf(TokenOf(row));
      hull_ = Hull(hull_, s_.hull[row]);
      LoadRow(type, AddressOf(args_.query, {start_ + TokenOf(row), HeadOf(row)}),
              args_.query.strides[2], head_dim_, QueryOf(row));
    }
  }

  void PackAllQueries() {
    for (int block = 0; block < blocks_; ++block) {
      const float* rows[kBlockRows];
      const int first = block * kBlockRows;
      for (int r = 0; r < kBlockRows; ++r) rows[r] = QueryOf(first + r);
      PackQueries(rows, std::min(kBlockRows, count_ - first), head_dim_, PackedQueries(block));
    }
  }
  float* PackedQueries(int block) const {
    return s_.packed_queries + static_cast<std::ptrdiff_t>(block) * head_dim_ * kBlockRows;
  }

  // Which keys of the tile each row sees. False if none sees any.
  bool Look(std::int64_t tile) {
    seen_ = 0;
    for (int block = 0; block < blocks_; ++block) {
      KeyBits block_seen = 0;
      for (int row = block * kBlockRows; row < (block + 1) * kBlockRows; ++row) {
        KeyBits bits = BitsOf(s_.hull[row], tile);
        if (bits != 0 && !sight_.plain()) {
          bits = sight_.SeenBy(HeadOf(row), TokenOf(row), tile, BiasOf(row));
        }
        s_.seen[row] = bits;
        s_.saw_any[row] = s_.saw_any[row] || bits != 0;
        block_seen |= bits;
      }
      s_.block_seen[block] = block_seen;
      seen_ |= block_seen;
    }
    return seen_ != 0;
  }

  void Read(std::int64_t tile, bool whole_panels) {
    source_.Read(tile, seen_, {s_.key_rows, s_.keys, head_dim_, false},
                 {s_.value_rows, s_.values, columns_, whole_panels && columns_ != p_.head_dim_v});
  }

  void VisitFew(std::int64_t tile) {
    Read(tile, true);
    const BitSpan all = SpanOf(seen_);
    ScoreFew(s_.queries, head_dim_, count_, s_.key_rows, all.first, all.last, head_dim_,
             s_.weights);
    bool alike = true;
    for (int row = 0; row < count_; ++row) {
      SoftmaxRow(row);
      alike = alike && s_.seen[row] == seen_;
    }
    // A value that one row sees may be infinite: it must not meet the weight 0 of another row.
    if (alike || !AnyNotFinite(s_.value_rows, all.first, all.last, columns_)) {
      WeighFew(s_.weights, s_.rescale, count_, s_.value_rows, all.first, all.last, columns_,
               s_.sums, columns_);
      return;
    }
    for (int row = 0; row < count_; ++row) {
      float rescale = s_.rescale[row];
      ForEachRun(s_.seen[row], [&](BitSpan run) {
        WeighFew(WeightsOf(row), &rescale, 1, s_.value_rows, run.first, run.last, columns_,
                 SumsOf(row), columns_);
        rescale = 1.0F;
      });
    }
  }

  void VisitMany(std::int64_t tile) {
    Read(tile, false);
    PackKeys(s_.key_rows, head_dim_, s_.packed_keys);
    const bool special = PackValues(s_.value_rows, p_.head_dim_v, s_.packed_values);
    for (int panel = 0; panel < kKeyTile / kPanel; ++panel) ScorePanel(panel);
    for (int block = 0; block < blocks_; ++block) {
      if (s_.block_seen[block] == 0) continue;
      const int first = block * kBlockRows;
      for (int row = first; row < first + kBlockRows; ++row) SoftmaxRow(row);
    }
    for (int panel = 0; panel < columns_ / kPanel; ++panel) WeighPanel(panel, special);
  }

  void ScorePanel(int panel) {
    const float* packed = s_.packed_keys + static_cast<std::ptrdiff_t>(panel) * head_dim_ * kPanel;
    for (int block = 0; block < blocks_; ++block) {
      const BitSpan seen = SpanOf(s_.block_seen[block]);
      if (seen.last <= panel * kPanel || seen.first >= (panel + 1) * kPanel) continue;
      ScoreBlock(PackedQueries(block), packed, head_dim_,
                 WeightsOf(block * kBlockRows) + panel * kPanel);
    }
  }

  void SoftmaxRow(int row) {
    float* const scores = WeightsOf(row);
    s_.rescale[row] = 1.0F;
    if (s_.seen[row] == 0) {
      std::fill(scores, scores + kKeyTile, 0.0F);
    } else if (p_.softcap == 0.0F && !sight_.biased()) {
      s_.rescale[row] = SoftmaxTile(scores, s_.seen[row], p_.scale, s_.state[row]);
    } else {
      ShapeScores(scores, p_.scale, p_.softcap, BiasOf(row));
      s_.rescale[row] = SoftmaxTile(scores, s_.seen[row], 1.0F, s_.state[row]);
    }
  }

  void WeighPanel(int panel, bool special) {
    const float* packed = s_.packed_values + static_cast<std::ptrdiff_t>(panel) * kKeyTile * kPanel;
    for (int block = 0; block < blocks_; ++block) {
      const BitSpan seen = SpanOf(s_.block_seen[block]);
      if (seen.first == seen.last) continue;
      const int first = block * kBlockRows;
      if (!special) {
        WeighBlock(WeightsOf(first), s_.rescale + first, packed, seen.first, seen.last,
                   SumsOf(first) + panel * kPanel, columns_);
        continue;
      }
      for (int row = first; row < first + kBlockRows; ++row) {
        float rescale = s_.rescale[row];
        ForEachRun(s_.seen[row], [&](BitSpan run) {
          WeighRow(WeightsOf(row), rescale, packed, run.first, run.last,
                   SumsOf(row) + panel * kPanel);
          rescale = 1.0F;
        });
      }
    }
  }

  void Finish(int row) {
    const std::int64_t token = start_ + TokenOf(row);
    const std::int64_t head = HeadOf(row);
    const bool has_sink = (p_.flags & ATTEST_FLAG_SINKS) != 0;
    const double maximum = s_.state[row].maximum;
    double sink = -kInfinity;
    if (has_sink) sink = ElementAt<float>(args_.sinks, {head});
    // A row without keys has sums of 0; any factor but infinity or NaN gives its output 0.
    double factor = 0.0;
    double lse = sink;
    if (s_.saw_any[row]) {
      const double reference = std::max(maximum, sink);
      const double shrink = std::exp(maximum - reference);  // exactly 1 without a larger sink
      const double denominator = s_.state[row].sum * shrink + std::exp(sink - reference);
      factor = shrink / denominator;
      lse = reference + std::log(denominator);
    }
    StoreRow(*ElementTypeOf(p_.output_dtype), SumsOf(row), static_cast<float>(factor),
             p_.head_dim_v, AddressOf(args_.out, {token, head}), args_.out.strides[2]);
    if ((p_.flags & ATTEST_FLAG_LSE) == 0) return;
    const auto narrow = static_cast<float>(lse);
    StoreRow(ElementType::kFloat32, &narrow, 1.0F, 1, AddressOf(args_.lse, {token, head}), 1);
  }

  const attest_problem_t& p_;
  const attest_forward_args_t& args_;
  const RowTile tile_;
  Scratch& s_;
  const std::int64_t group_;
  const std::int64_t start_;
  const std::int64_t q_len_;
  const std::int64_t seq_len_;
  const int count_;
  const int blocks_;
  const int head_dim_;
  const int columns_;
  const KeySource source_;
  const Sight sight_;
  KeySpan hull_;
  KeyBits seen_ = 0;  // by any row, of the tile of keys in hand
};

}  // namespace

Scratch::Scratch(int head_dim_qk, int head_dim_v)
    : head_dim_qk_(head_dim_qk), head_dim_v_(head_dim_v) {
  const auto qk = static_cast<std::size_t>(RoundUp(head_dim_qk, 16));
  const auto v = static_cast<std::size_t>(RoundUp(head_dim_v, kPanel));
  struct Part {
    float** address;
    std::size_t floats;
  };
  const Part parts[] = {
      {&queries, kRowTile * qk},
      {&packed_queries, kRowTile * qk},
      {&keys, kKeyTile * qk},
      {&packed_keys, kKeyTile * qk},
      {&values, kKeyTile * v},
      {&packed_values, kKeyTile * v},
      {&weights, kRowTile * kKeyTile},
      {&sums, kRowTile * v},
      {&rescale, kRowTile},
      {&bias, kRowTile * kKeyTile},
  };
  std::size_t total = 0;
  for (const Part& part : parts) total += part.floats;
  memory_.reset(new (std::align_val_t{64}) float[total]);
  float* next = memory_.get();
  for (const Part& part : parts) {
    *part.address = next;
    next += part.floats;
  }
}

void AttendRowTile(const attest_problem_t& problem, const attest_forward_args_t& args,
                   const RowTile& tile, Scratch& scratch) {
  TileRun(problem, args, tile, scratch).Run();
}

}  // namespace attest::cpu
