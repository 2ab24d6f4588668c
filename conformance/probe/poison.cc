// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/poison.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "conformance/run/inputs_random.h"

namespace attest {
namespace {

constexpr int kSameCalls = 3;

class PoisonReader {
 public:
  explicit PoisonReader(Box& box) : box_(box), p_(box.problem()) {
    narrow_ = p_.query_dtype == DType::kFloat16 || p_.cache_dtype == DType::kFloat16;
  }

  Result<PoisonReading> Run() {
    Sort();
    Dress();
    std::vector<Answers> same;
    for (int i = 0; i < kSameCalls; ++i) {
      Result<Answers> answers = box_.Call();
      if (!answers.ok()) return answers.status();
      same.push_back(std::move(*answers));
    }
    PoisonReading reading;
    for (int i = 1; i < kSameCalls; ++i) {
      for (const ProbeRow& row : Changed(same.front(), same[static_cast<std::size_t>(i)])) {
        if (std::find(reading.restless.begin(), reading.restless.end(), row) ==
            reading.restless.end()) {
          reading.restless.push_back(row);
        }
      }
    }
    reading.deterministic = reading.restless.empty();
    if (!reading.deterministic) return reading;
    for (const bool nan : {false, true}) {
      for (const HiddenPlace where :
           {HiddenPlace::kMasked, HiddenPlace::kPastSeqLen, HiddenPlace::kNobodys}) {
        Result<PoisonTrial> trial = Try(where, nan, same.front());
        if (!trial.ok()) return trial.status();
        reading.trials.push_back(std::move(*trial));
      }
    }
    return reading;
  }

 private:
  // Places that no row sees, by what they are.
  void Sort() {
    std::vector<bool> seen(box_.places().size(), false);
    for (const ProbeRow& row : AllProbeRows(p_)) {
      const auto request = static_cast<std::size_t>(row.request);
      for (const KeyRange& run : box_.SpecKeys(row)) {
        for (std::int64_t key = run.first; key < run.last; ++key) {
          const std::int64_t place = box_.PlaceOf(request, key);
          if (place >= 0) seen[static_cast<std::size_t>(place)] = true;
        }
      }
    }
    for (std::size_t place = 0; place < seen.size(); ++place) {
      if (!seen[place]) hidden_[KindOf(static_cast<std::int64_t>(place))].push_back(place);
    }
  }

  std::size_t KindOf(std::int64_t place) const {
    bool past = false;
    for (std::size_t r = 0; r < p_.requests.size(); ++r) {
      const std::int64_t key = box_.KeyAt(r, place);
      if (key >= 0 && key < p_.requests[r].seq_len) return 0;
      past = past || key >= 0;
    }
    return past ? 1 : 2;
  }

  // Positive queries and keys, any values, everywhere.
  void Dress() {
    box_.Flatten();
    box_.Restore("sinks");
    box_.Restore("alibi_slopes");
    box_.Restore("custom_mask");
    const std::uint64_t stream = StreamKey("probe", 0, "poison");
    std::uint64_t next = 0;
    const auto level = [&] { return static_cast<double>(1 + Draw(stream, next++) % 15) / 16; };
    const double query = 1.0 / (std::abs(static_cast<double>(p_.scale)) * p_.head_dim_qk);
    for (const ProbeRow& row : AllProbeRows(p_)) {
      for (int d = 0; d < p_.head_dim_qk; ++d) {
        const double sign = p_.scale < 0 ? -1 : 1;
        box_.SetQuery(box_.TokenOf(row), row.head, d, sign * 8 * query * level());
      }
    }
    for (std::size_t place = 0; place < box_.places().size(); ++place) {
      for (int h = 0; h < p_.num_kv_heads; ++h) {
        const auto at = static_cast<std::int64_t>(place);
        for (int d = 0; d < p_.head_dim_qk; ++d) box_.SetKey(at, h, d, level());
        if (p_.cache_layout == CacheLayout::kSharedLatent) continue;
        for (int d = 0; d < p_.head_dim_v; ++d) box_.SetValue(at, h, d, level() - 0.5);
      }
    }
  }

  Result<PoisonTrial> Try(HiddenPlace where, bool nan, const Answers& before) {
    const std::vector<std::size_t>& places = hidden_[static_cast<std::size_t>(where)];
    PoisonTrial trial{
        .where = where, .nan = nan, .places = static_cast<std::int64_t>(places.size())};
    if (places.empty()) return trial;
    const double none = std::numeric_limits<double>::quiet_NaN();
    const double huge = narrow_ ? 3e4 : SizeOf(p_.cache_dtype) == 1 ? 200 : 1e30;
    const double key = SizeOf(p_.cache_dtype) == 1 ? 100 : 2000;
    for (const std::size_t place : places) {
      const auto at = static_cast<std::int64_t>(place);
      for (int h = 0; h < p_.num_kv_heads; ++h) {
        for (int d = 0; d < p_.head_dim_v; ++d) {
          box_.SetValue(at, h, d, nan ? none : (d % 2 == 0 ? huge : -huge));
        }
        for (int d = 0; d < p_.head_dim_qk; ++d) {
          const bool value = p_.cache_layout == CacheLayout::kSharedLatent && d < p_.head_dim_v;
          if (nan || !value) box_.SetKey(at, h, d, nan ? none : key);
        }
      }
    }
    Result<Answers> after = box_.Call();
    Dress();
    if (!after.ok()) return after.status();
    trial.changed = Changed(before, *after);
    return trial;
  }

  // Rows of which one bit differs.
  std::vector<ProbeRow> Changed(const Answers& a, const Answers& b) const {
    std::vector<ProbeRow> rows;
    const TensorView out_a = a.image().View("out");
    const TensorView out_b = b.image().View("out");
    const TensorView lse_a = a.image().View("lse");
    const TensorView lse_b = b.image().View("lse");
    for (const ProbeRow& row : AllProbeRows(p_)) {
      const std::int64_t token = box_.TokenOf(row);
      bool same = !lse_a.present() ||
                  std::memcmp(lse_a.At({token, row.head}), lse_b.At({token, row.head}), 4) == 0;
      for (int d = 0; d < p_.head_dim_v && same; ++d) {
        same = std::memcmp(out_a.At({token, row.head, d}), out_b.At({token, row.head, d}),
                           SizeOf(out_a.dtype)) == 0;
      }
      if (!same) rows.push_back(row);
    }
    return rows;
  }

  Box& box_;
  const Problem& p_;
  bool narrow_ = false;
  std::array<std::vector<std::size_t>, 3> hidden_;
};

}  // namespace

std::string_view Name(HiddenPlace value) {
  switch (value) {
    case HiddenPlace::kMasked:
      return "masked keys";
    case HiddenPlace::kPastSeqLen:
      return "slots past seq_len";
    case HiddenPlace::kNobodys:
      return "pages of nobody";
  }
  return "";
}

bool PoisonReading::changed() const {
  return std::any_of(trials.begin(), trials.end(),
                     [](const PoisonTrial& trial) { return !trial.changed.empty(); });
}

Result<PoisonReading> ReadPoison(Box& box) { return PoisonReader(box).Run(); }

}  // namespace attest
