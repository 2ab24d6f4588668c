// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/row_tile.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/convert.h"
#include "backends/cpu/int_list.h"
#include "backends/cpu/key_source.h"

namespace attest::cpu {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Up to this many rows (a decode step of a group of 8), transposing the keys costs more than it
// saves.
constexpr int kFewRows = 8;

std::byte* Address(const attest_tensor_t& tensor, std::int64_t token, std::int64_t head) {
  return static_cast<std::byte*>(tensor.data) + tensor.byte_offset +
         (token * tensor.strides[0] + head * tensor.strides[1]) * (tensor.dtype.bits / 8);
}

// What is left of `span` in the key tile that begins at `tile`, counted from there.
struct Local {
  int first;
  int last;
  bool empty() const { return first >= last; }
  bool operator==(const Local&) const = default;
};

Local InTile(KeySpan span, std::int64_t tile) {
  const KeySpan part = Intersect(span, {tile, tile + kKeyTile});
  if (part.empty()) return {0, 0};
  return {static_cast<int>(part.first - tile), static_cast<int>(part.last - tile)};
}

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
        source_(problem, args, tile.request, start_, tile.kv_head) {}

  void Run() {
    Begin();
    const bool few = count_ <= kFewRows;
    if (!few) PackAllQueries();
    const std::int64_t first = hull_.first / kKeyTile * kKeyTile;
    for (std::int64_t tile = first; !hull_.empty() && tile < hull_.last; tile += kKeyTile) {
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

  // Queries, spans and empty sums; rows that fill up the last block see nothing.
  void Begin() {
    const MaskRule rule = RuleOf(p_);
    const ElementType type = *ElementTypeOf(p_.query_dtype);
    std::fill(SumsOf(0), SumsOf(blocks_ * kBlockRows), 0.0F);
    std::fill(s_.block_visible, s_.block_visible + blocks_, KeySpan{});
    for (int row = 0; row < blocks_ * kBlockRows; ++row) {
      s_.state[row] = {-std::numeric_limits<float>::infinity(), 0.0F};
      s_.visible[row] = {};
      if (row >= count_) continue;
      s_.visible[row] = VisibleKeys(rule, q_len_, seq_len_, TokenOf(row));
      KeySpan& block = s_.block_visible[row / kBlockRows];
      block = Hull(block, s_.visible[row]);
      hull_ = Hull(hull_, s_.visible[row]);
      LoadRow(type, Address(args_.query, start_ + TokenOf(row), HeadOf(row)),
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

  void Read(std::int64_t tile, bool whole_panels) {
    const KeySpan wanted = Intersect(hull_, {tile, tile + kKeyTile});
    source_.Read(tile, wanted, {s_.key_rows, s_.keys, head_dim_, false},
                 {s_.value_rows, s_.values, columns_, whole_panels && columns_ != p_.head_dim_v});
  }

  void VisitFew(std::int64_t tile) {
    Read(tile, true);
    const Local all = InTile(hull_, tile);
    ScoreFew(s_.queries, head_dim_, count_, s_.key_rows, all.first, all.last, head_dim_,
             s_.weights);
    bool alike = true;
    for (int row = 0; row < count_; ++row) {
      SoftmaxRow(row, tile);
      alike = alike && InTile(s_.visible[row], tile) == all;
    }
    if (alike) {
      WeighFew(s_.weights, s_.rescale, count_, s_.value_rows, all.first, all.last, columns_,
               s_.sums, columns_);
      return;
    }
    // A value that one row sees may be infinite: it must not meet the weight 0 of another row.
    for (int row = 0; row < count_; ++row) {
      const Local own = InTile(s_.visible[row], tile);
      WeighFew(WeightsOf(row), s_.rescale + row, 1, s_.value_rows, own.first, own.last, columns_,
               SumsOf(row), columns_);
    }
  }

  void VisitMany(std::int64_t tile) {
    Read(tile, false);
    PackKeys(s_.key_rows, head_dim_, s_.packed_keys);
    const bool special = PackValues(s_.value_rows, p_.head_dim_v, s_.packed_values);
    for (int panel = 0; panel < kKeyTile / kPanel; ++panel) ScorePanel(tile, panel);
    for (int block = 0; block < blocks_; ++block) {
      if (InTile(s_.block_visible[block], tile).empty()) continue;
      const int first = block * kBlockRows;
      for (int row = first; row < first + kBlockRows; ++row) SoftmaxRow(row, tile);
    }
    for (int panel = 0; panel < columns_ / kPanel; ++panel) WeighPanel(tile, panel, special);
  }

  void ScorePanel(std::int64_t tile, int panel) {
    const float* packed = s_.packed_keys + static_cast<std::ptrdiff_t>(panel) * head_dim_ * kPanel;
    for (int block = 0; block < blocks_; ++block) {
      const Local seen = InTile(s_.block_visible[block], tile);
      if (seen.last <= panel * kPanel || seen.first >= (panel + 1) * kPanel) continue;
      ScoreBlock(PackedQueries(block), packed, head_dim_,
                 WeightsOf(block * kBlockRows) + panel * kPanel);
    }
  }

  void SoftmaxRow(int row, std::int64_t tile) {
    const Local own = InTile(s_.visible[row], tile);
    if (own.empty()) {
      std::fill(WeightsOf(row), WeightsOf(row + 1), 0.0F);
      s_.rescale[row] = 1.0F;
    } else {
      s_.rescale[row] = SoftmaxTile(WeightsOf(row), own.first, own.last, p_.scale, s_.state[row]);
    }
  }

  void WeighPanel(std::int64_t tile, int panel, bool special) {
    const float* packed = s_.packed_values + static_cast<std::ptrdiff_t>(panel) * kKeyTile * kPanel;
    for (int block = 0; block < blocks_; ++block) {
      const Local seen = InTile(s_.block_visible[block], tile);
      if (seen.empty()) continue;
      const int first = block * kBlockRows;
      if (!special) {
        WeighBlock(WeightsOf(first), s_.rescale + first, packed, seen.first, seen.last,
                   SumsOf(first) + panel * kPanel, columns_);
        continue;
      }
      for (int row = first; row < first + kBlockRows; ++row) {
        const Local own = InTile(s_.visible[row], tile);
        WeighRow(WeightsOf(row), s_.rescale[row], packed, own.first, own.last,
                 SumsOf(row) + panel * kPanel);
      }
    }
  }

  void Finish(int row) {
    const std::int64_t token = start_ + TokenOf(row);
    const std::int64_t head = HeadOf(row);
    const bool has_sink = (p_.flags & ATTEST_FLAG_SINKS) != 0;
    const double maximum = s_.state[row].maximum;
    double sink = -kInfinity;
    if (has_sink) {
      float value = 0.0F;
      const auto* sinks = static_cast<const std::byte*>(args_.sinks.data) + args_.sinks.byte_offset;
      LoadRow(ElementType::kFloat32, sinks + head * args_.sinks.strides[0] * 4, 1, 1, &value);
      sink = value;
    }
    // A row without keys has sums of 0; any factor but infinity or NaN gives its output 0.
    double factor = 0.0;
    double lse = sink;
    if (!s_.visible[row].empty()) {
      const double reference = std::max(maximum, sink);
      const double shrink = std::exp(maximum - reference);  // exactly 1 without a larger sink
      const double denominator = s_.state[row].sum * shrink + std::exp(sink - reference);
      factor = shrink / denominator;
      lse = reference + std::log(denominator);
    }
    StoreRow(*ElementTypeOf(p_.output_dtype), SumsOf(row), static_cast<float>(factor),
             p_.head_dim_v, Address(args_.out, token, head), args_.out.strides[2]);
    if ((p_.flags & ATTEST_FLAG_LSE) == 0) return;
    const auto narrow = static_cast<float>(lse);
    StoreRow(ElementType::kFloat32, &narrow, 1.0F, 1, Address(args_.lse, token, head), 1);
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
  KeySpan hull_;
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
