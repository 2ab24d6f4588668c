// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/maps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "conformance/probe/mask_difference.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

int DigitsOf(std::int64_t count) {
  int digits = 0;
  while ((std::int64_t{1} << digits) < count) ++digits;
  return digits;
}

class MapReader {
 public:
  explicit MapReader(Box& box) : box_(box), p_(box.problem()) {
    shared_ = p_.cache_layout == CacheLayout::kSharedLatent;
    key_dim_ = shared_ ? p_.head_dim_qk - 1 : 0;
    value_unit_ = p_.output_dtype == DType::kFloat16 ? 64 : 1;
  }
  Result<std::vector<HeadMap>> Heads();
  Result<std::vector<PageMap>> Pages(int head);

 private:
  // Columns that values may use.
  int Columns() const {
    return shared_ ? std::min(p_.head_dim_v, p_.head_dim_qk - 1) : p_.head_dim_v;
  }
  std::int64_t NumPlaces() const { return static_cast<std::int64_t>(box_.places().size()); }

  // Query of `row` such that a key of 1 scores `score` under the problem's scale.
  void SetQueryScore(const ProbeRow& row, double score) {
    box_.SetQuery(box_.TokenOf(row), row.head, key_dim_,
                  RoundTo(p_.query_dtype, score / static_cast<double>(p_.scale)));
  }
  Status ReadValueHeads(const std::vector<ProbeRow>& rows, std::vector<HeadMap>& maps);
  Status ReadKeyHeads(const std::vector<ProbeRow>& rows, std::vector<HeadMap>& maps);
  Status ReadValuePages(std::vector<PageMap>& maps);
  Status ReadKeyPages(std::vector<PageMap>& maps);
  // outs[m][page]: what comes out of each page, of the row of maps[m]; lse[m].
  Status PageOutputs(const std::vector<PageMap>& maps, std::vector<std::vector<double>>& outs,
                     std::vector<double>& lse);

  Box& box_;
  const Problem& p_;
  bool shared_ = false;
  int key_dim_ = 0;
  double value_unit_ = 1;
};

Status MapReader::ReadValueHeads(const std::vector<ProbeRow>& rows, std::vector<HeadMap>& maps) {
  constexpr double kNear = 0.02;
  const int digits = std::max(1, DigitsOf(p_.num_kv_heads));
  if (2 * digits > p_.head_dim_v) {
    for (HeadMap& map : maps) map.why_value = "head_dim_v is too small";
    return {};
  }
  box_.Flatten();
  for (std::int64_t place = 0; place < NumPlaces(); ++place) {
    for (int h = 0; h < p_.num_kv_heads; ++h) {
      for (int digit = 0; digit < digits; ++digit) {
        const double bit = (h >> digit) & 1;
        box_.SetValue(place, h, 2 * digit, bit);
        box_.SetValue(place, h, 2 * digit + 1, 1 - bit);
      }
    }
  }
  const Result<Answers> answers = box_.Call();
  if (!answers.ok()) return answers.status();
  for (const ProbeRow& row : rows) {
    HeadMap& map = maps[static_cast<std::size_t>(row.head)];
    int head = 0;
    bool clear = true;
    for (int digit = 0; digit < digits; ++digit) {
      const double one = answers->Out(box_.TokenOf(row), row.head, 2 * digit);
      const double zero = answers->Out(box_.TokenOf(row), row.head, 2 * digit + 1);
      const double share = one / (one + zero);  // a sink takes from both
      clear = clear && (share < kNear || share > 1 - kNear);
      head += share > 0.5 ? 1 << digit : 0;
    }
    if (!clear) {
      map.why_value =
          fmt::format("request {}, row {}: values of several heads are mixed, or none came out",
                      row.request, row.row);
    } else if (map.value_head >= 0 && map.value_head != head) {
      map.why_value = fmt::format("rows differ: head {}, and {} in request {}, row {}",
                                  map.value_head, head, row.request, row.row);
    } else {
      map.value_head = head;
    }
  }
  for (HeadMap& map : maps) {
    if (!map.why_value.empty()) map.value_head = -1;
  }
  return {};
}

// Neighbouring places score apart by one digit of their kv head; the sign of the output says which
// way. Values are +1 and -1.
Status MapReader::ReadKeyHeads(const std::vector<ProbeRow>& rows, std::vector<HeadMap>& maps) {
  const double score = p_.output_dtype == DType::kFloat16 ? 4 : 8;
  for (HeadMap& map : maps) map.key_head = 0;
  for (int digit = 0; digit < DigitsOf(p_.num_kv_heads); ++digit) {
    box_.Flatten();
    for (std::size_t r = 0; r < p_.requests.size(); ++r) {
      for (std::int64_t key = 0; key < box_.KeysOf(r); ++key) {
        const std::int64_t place = box_.PlaceOf(r, key);
        if (place < 0) continue;
        const double side = key % 2 == 0 ? 1 : -1;
        for (int h = 0; h < p_.num_kv_heads; ++h) {
          box_.SetValue(place, h, shared_ ? 0 : 1 % p_.head_dim_v, side);
          box_.SetKey(place, h, key_dim_, ((h >> digit) & 1) != 0 ? side : -side);
        }
      }
    }
    for (const ProbeRow& row : rows) SetQueryScore(row, score);
    const Result<Answers> answers = box_.Call();
    if (!answers.ok()) return answers.status();
    std::vector<int> bits(maps.size(), -1);
    for (const ProbeRow& row : rows) {
      const std::vector<KeyRange> spec = box_.SpecKeys(row);
      HeadMap& map = maps[static_cast<std::size_t>(row.head)];
      if (KeyCount(spec) < 2) continue;
      const double out = answers->Out(box_.TokenOf(row), row.head, shared_ ? 0 : 1 % p_.head_dim_v);
      const int bit = out > 0.5 ? 1 : 0;
      int& known = bits[static_cast<std::size_t>(row.head)];
      if (!(std::abs(out) > 0.5) || (known >= 0 && known != bit)) {
        map.why_key =
            fmt::format("request {}, row {}: the keys' scores do not separate, or rows differ",
                        row.request, row.row);
      }
      known = bit;
    }
    for (std::size_t i = 0; i < maps.size(); ++i) {
      if (bits[i] < 0) maps[i].why_key = "no row sees two keys";
      maps[i].key_head += bits[i] == 1 ? 1 << digit : 0;
    }
  }
  for (HeadMap& map : maps) {
    if (!map.why_key.empty()) map.key_head = -1;
  }
  return {};
}

Result<std::vector<HeadMap>> MapReader::Heads() {
  std::vector<HeadMap> maps;
  for (int head = 0; head < p_.num_q_heads; ++head) {
    maps.push_back({.head = head, .expected = head / p_.group()});
  }
  std::vector<ProbeRow> rows;
  for (const ProbeRow& row : AllProbeRows(p_)) {
    if (KeyCount(box_.SpecKeys(row)) > 0) rows.push_back(row);
  }
  if (rows.empty()) return BadInput("heads: no row sees a key");
  if (Status status = ReadValueHeads(rows, maps); !status.ok()) return status;
  if (Status status = ReadKeyHeads(rows, maps); !status.ok()) return status;
  return maps;
}

Status MapReader::PageOutputs(const std::vector<PageMap>& maps,
                              std::vector<std::vector<double>>& outs, std::vector<double>& lse) {
  const std::int64_t pages = box_.inputs().abi.num_blocks;
  outs.assign(maps.size(), std::vector<double>(static_cast<std::size_t>(pages), 0.0));
  lse.assign(maps.size(), NAN);
  for (std::int64_t first = 0; first < pages; first += Columns()) {
    const std::int64_t last = std::min<std::int64_t>(pages, first + Columns());
    const auto write = [&](double value) {
      for (std::int64_t page = first; page < last; ++page) {
        for (std::int64_t slot = 0; slot < p_.block_size; ++slot) {
          for (int h = 0; h < p_.num_kv_heads; ++h) {
            box_.SetValue(page * p_.block_size + slot, h, static_cast<int>(page - first), value);
          }
        }
      }
    };
    write(value_unit_);
    const Result<Answers> answers = box_.Call();
    if (!answers.ok()) return answers.status();
    write(0);
    for (std::size_t m = 0; m < maps.size(); ++m) {
      const std::int64_t token = box_.TokenOf(maps[m].row);
      for (std::int64_t page = first; page < last; ++page) {
        outs[m][static_cast<std::size_t>(page)] =
            answers->Out(token, maps[m].row.head, static_cast<int>(page - first)) / value_unit_;
      }
      if (first == 0) lse[m] = answers->Lse(token, maps[m].row.head);
    }
  }
  return {};
}

Status MapReader::ReadValuePages(std::vector<PageMap>& maps) {
  box_.Flatten();
  std::vector<std::vector<double>> outs;
  std::vector<double> lse;
  if (Status status = PageOutputs(maps, outs, lse); !status.ok()) return status;
  for (std::size_t m = 0; m < maps.size(); ++m) {
    const double count = std::isnan(lse[m])
                             ? static_cast<double>(KeyCount(box_.SpecKeys(maps[m].row)))
                             : std::exp(lse[m]);
    for (std::size_t page = 0; page < outs[m].size(); ++page) {
      const double out = outs[m][page];
      if (!std::isfinite(out)) maps[m].why = "the output is no number";
      if (!(out > 0)) continue;
      const auto keys = static_cast<std::int64_t>(std::nearbyint(out * count));
      maps[m].reads.push_back({static_cast<std::int64_t>(page), keys, -1});
    }
    for (const std::int64_t page : maps[m].expected) {
      if (!(outs[m][static_cast<std::size_t>(page)] > 0)) maps[m].unread.push_back(page);
    }
  }
  return {};
}

// K of every page says one digit of the page's number; what comes out of a page, times exp(LSE), is
// then e^s or e^-s for each of its keys.
Status MapReader::ReadKeyPages(std::vector<PageMap>& maps) {
  constexpr double kScore = 2;
  const std::int64_t pages = box_.inputs().abi.num_blocks;
  box_.Flatten();
  std::vector<std::vector<double>> outs;
  std::vector<double> lse;
  for (PageMap& map : maps) {
    for (PageRead& read : map.reads) read.key_page = 0;
  }
  for (int digit = 0; digit < DigitsOf(pages); ++digit) {
    for (std::int64_t place = 0; place < pages * p_.block_size; ++place) {
      const std::int64_t page = place / p_.block_size;
      for (int h = 0; h < p_.num_kv_heads; ++h) {
        box_.SetKey(place, h, key_dim_, ((page >> digit) & 1) != 0 ? 1.0 : -1.0);
      }
    }
    for (const PageMap& map : maps) SetQueryScore(map.row, kScore);
    if (Status status = PageOutputs(maps, outs, lse); !status.ok()) return status;
    for (std::size_t m = 0; m < maps.size(); ++m) {
      for (PageRead& read : maps[m].reads) {
        const double weight = outs[m][static_cast<std::size_t>(read.page)] * std::exp(lse[m]);
        const double score =
            std::log(weight / static_cast<double>(std::max<std::int64_t>(1, read.keys)));
        if (!(std::abs(std::abs(score) - kScore) < 0.5 * kScore)) {
          if (read.key_page >= 0) read.key_page = -1;
        } else if (read.key_page >= 0 && score > 0) {
          read.key_page += std::int64_t{1} << digit;
        }
      }
    }
  }
  return {};
}

Result<std::vector<PageMap>> MapReader::Pages(int head) {
  if (!p_.uses_paged_kv()) return BadInput("pages: encoder-only attention has none");
  std::vector<PageMap> maps;
  for (std::size_t r = 0; r < p_.requests.size(); ++r) {
    if (p_.requests[r].q_len == 0) continue;
    PageMap map{.row = {static_cast<int>(r), p_.requests[r].q_len - 1, head}};
    for (const KeyRange& run : box_.SpecKeys(map.row)) {
      for (std::int64_t key = run.first; key < run.last; ++key) {
        const std::int64_t page = box_.PlaceOf(r, key) / p_.block_size;
        if (std::find(map.expected.begin(), map.expected.end(), page) == map.expected.end()) {
          map.expected.push_back(page);
        }
      }
    }
    maps.push_back(std::move(map));
  }
  if (Status status = ReadValuePages(maps); !status.ok()) return status;
  if (!p_.lse) {
    for (PageMap& map : maps) map.why = "pages of K: the backend offers no LSE";
    return maps;
  }
  if (Status status = ReadKeyPages(maps); !status.ok()) return status;
  return maps;
}

}  // namespace

Result<std::vector<HeadMap>> ReadHeads(Box& box) { return MapReader(box).Heads(); }
Result<std::vector<PageMap>> ReadPages(Box& box, int head) { return MapReader(box).Pages(head); }

}  // namespace attest
