// SPDX-License-Identifier: Apache-2.0
#include "conformance/study/power_kernel.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "conformance/judge/rearrange.h"
#include "reference/float_formats.h"
#include "reference/gather.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

constexpr std::int64_t kTile = 64;
constexpr int kSplits = 4;
constexpr std::int64_t kWrongDistance = 48;  // to the keys that stand in the place of others
constexpr std::size_t kLanes = 32;

// Keys and values of one KV head, as float32 numbers. 16-bit numbers are among them.
struct HeadData {
  std::vector<float> keys;    // [keys, head_dim_qk]
  std::vector<float> values;  // [keys, head_dim_v]
};

HeadData Load(const Problem& p, const AttentionTensors& tensors, int kv_head) {
  const std::int64_t n = p.requests[0].seq_len;
  HeadData data;
  data.keys.reserve(static_cast<std::size_t>(n * p.head_dim_qk));
  data.values.reserve(static_cast<std::size_t>(n * p.head_dim_v));
  constexpr std::int64_t kChunk = 4096;  // doubles of a whole head would take a gigabyte
  for (std::int64_t first = 0; first < n; first += kChunk) {
    const KeysAndValues some =
        GatherKeys(p, tensors, 0, kv_head, {first, std::min(first + kChunk, n)});
    const auto copy = [](const RowMajorMatrix& from, std::vector<float>* to) {
      for (Eigen::Index i = 0; i < from.size(); ++i) {
        to->push_back(static_cast<float>(from.data()[i]));
      }
    };
    copy(some.keys, &data.keys);
    copy(some.values, &data.values);
  }
  return data;
}

// Many partial sums, so that the compiler can keep them in vector registers: one of the orders that
// a correct kernel may use.
template <typename Real>
Real Dot(const Real* a, const float* b, std::size_t size) {
  std::array<Real, kLanes> sums{};
  std::size_t c = 0;
  for (; c + kLanes <= size; c += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) sums[l] += a[c + l] * static_cast<Real>(b[c + l]);
  }
  Real sum = 0;
  for (const Real part : sums) sum += part;
  for (; c < size; ++c) sum += a[c] * static_cast<Real>(b[c]);
  return sum;
}

template <typename Real>
struct Part {
  Real top = -std::numeric_limits<Real>::infinity();
  Real sum = 0;
  std::vector<Real> out;
};

template <typename Real>
struct LineState {
  Eigen::Index line = 0;
  KeyRange seen;
  std::vector<Real> query;
  std::array<Part<Real>, kSplits> parts;
  bool forgot = false;
};

// Real is float for a kernel, double for exact numbers.
template <typename Real>
class Kernel {
 public:
  Kernel(const Problem& p, const AttentionTensors& tensors, const Mistake& mistake)
      : p_(p), tensors_(tensors), m_(mistake), n_(p.requests[0].seq_len) {
    share_ = (n_ + kSplits - 1) / kSplits;
    answer_.out = RowMajorMatrix::Zero(NumTokens(p) * p.num_q_heads, p.head_dim_v);
    answer_.lse = Eigen::VectorXd::Zero(answer_.out.rows());
    if (p.sinks && !m_.sink_missing) sinks_ = GatherSinks(p, tensors);
  }

  KernelAnswer Run() {
    for (int kv_head = 0; kv_head < p_.num_kv_heads; ++kv_head) RunHead(kv_head);
    return std::move(answer_);
  }

 private:
  static constexpr bool kExact = std::is_same_v<Real, double>;

  int KvHeadOf(int head) const {
    return m_.heads_interleaved ? head % p_.num_kv_heads : head / p_.group();
  }

  KeyRange SeenBy(std::int64_t row) const {
    KeyRange seen = VisibleHull(p_, 0, row);
    if (m_.top_left) seen = {0, row + 1};
    seen.first = std::clamp<std::int64_t>(seen.first - m_.more_left, 0, n_);
    seen.last = std::clamp<std::int64_t>(seen.last + m_.more_right, 0, n_);
    return seen;
  }

  std::vector<LineState<Real>> LinesOf(int kv_head) const {
    std::vector<LineState<Real>> lines;
    for (std::int64_t row = 0; row < p_.requests[0].q_len; ++row) {
      for (int head = 0; head < p_.num_q_heads; ++head) {
        if (KvHeadOf(head) != kv_head) continue;
        LineState<Real> state;
        state.line = row * p_.num_q_heads + head;
        state.seen = SeenBy(row);
        Eigen::RowVectorXd query(p_.head_dim_qk);
        GatherQuery(p_, tensors_, {.request = 0, .row = row}, head, query);
        for (const double x : query) state.query.push_back(static_cast<Real>(x));
        for (Part<Real>& part : state.parts) {
          part.out.assign(static_cast<std::size_t>(p_.head_dim_v), Real{0});
        }
        lines.push_back(std::move(state));
      }
    }
    return lines;
  }

  // Where the kernel reads key `key`.
  std::int64_t SourceOf(std::int64_t key) const {
    const std::int64_t first = n_ / 2 + kTile;
    const bool wrong = key >= first && key < first + m_.wrong_keys;
    return wrong ? key - kWrongDistance : key;
  }

  Real ScoreOf(const LineState<Real>& state, const HeadData& data, std::int64_t key) const {
    const auto size = static_cast<std::size_t>(p_.head_dim_qk);
    const float* stored = data.keys.data() + static_cast<std::size_t>(SourceOf(key)) * size;
    const Real scale = static_cast<Real>(p_.scale) * static_cast<Real>(m_.score_factor);
    const Real score = Dot(state.query.data(), stored, size) * scale;
    if (p_.softcap <= 0.0F || m_.softcap_skipped) return score;
    const auto cap = static_cast<Real>(p_.softcap);
    return cap * std::tanh(score / cap);
  }

  Real RoundWeight(Real weight) const {
    if constexpr (kExact) return weight;
    return static_cast<Real>(RoundTo(p_.query_dtype, static_cast<double>(weight)));
  }

  void Process(const HeadData& data, KeyRange keys, int split, LineState<Real>* state) const {
    Part<Real>& part = state->parts[static_cast<std::size_t>(split)];
    std::array<Real, kTile> scores;
    Real top = part.top;
    const auto count = static_cast<std::size_t>(keys.last - keys.first);
    for (std::size_t i = 0; i < count; ++i) {
      scores[i] = ScoreOf(*state, data, keys.first + static_cast<std::int64_t>(i));
      top = std::max(top, scores[i]);
    }
    if (top > part.top) {
      const Real alpha = std::exp(part.top - top);  // 0 at first
      part.sum *= alpha;
      const bool forgets = m_.rescale_forgotten && !state->forgot && alpha > 0;
      state->forgot = state->forgot || forgets;
      if (!forgets) {
        for (Real& x : part.out) x *= alpha;
      }
      part.top = top;
    }
    const auto size = static_cast<std::size_t>(p_.head_dim_v);
    for (std::size_t i = 0; i < count; ++i) {
      const Real weight = std::exp(scores[i] - top);
      part.sum += weight;
      const Real stored = RoundWeight(weight);
      const std::int64_t key = SourceOf(keys.first + static_cast<std::int64_t>(i));
      const float* value = data.values.data() + static_cast<std::size_t>(key) * size;
      Real* out = part.out.data();
      for (std::size_t c = 0; c < size; ++c) out[c] += stored * static_cast<Real>(value[c]);
    }
  }

  void RunHead(int kv_head) {
    std::vector<LineState<Real>> lines = LinesOf(kv_head);
    const HeadData data = Load(p_, tensors_, kv_head);
    // Tiles outside, lines inside: a tile of keys serves all lines while it is in the cache.
    for (int split = 0; split < kSplits; ++split) {
      const std::int64_t end = std::min((split + 1) * share_, n_);
      for (std::int64_t first = split * share_; first < end; first += kTile) {
        const KeyRange tile{first, std::min(first + kTile, end)};
        for (LineState<Real>& state : lines) {
          const KeyRange keys{std::max(tile.first, state.seen.first),
                              std::min(tile.last, state.seen.last)};
          if (keys.first < keys.last) Process(data, keys, split, &state);
        }
      }
    }
    for (LineState<Real>& state : lines) {
      if (m_.key_counted_twice) Process(data, {2 * share_ - 1, 2 * share_}, 2, &state);
      Finish(state);
    }
  }

  void Finish(LineState<Real>& state) {
    const int head = static_cast<int>(state.line % p_.num_q_heads);
    constexpr double kNever = -std::numeric_limits<double>::infinity();
    std::array<double, kSplits + 1> lse{};
    lse.fill(kNever);
    for (std::size_t i = 0; i < kSplits; ++i) {
      const Part<Real>& part = state.parts[i];
      if (part.sum > 0) lse[i] = static_cast<double>(part.top + std::log(part.sum));
    }
    if (!sinks_.empty()) lse[kSplits] = sinks_[static_cast<std::size_t>(head)];
    const double top = *std::max_element(lse.begin(), lse.end());
    const double base = m_.base_two_merge ? std::log2(std::exp(1.0)) : 1.0;
    double sum = 0.0;
    double natural = 0.0;
    auto out = answer_.out.row(state.line);
    for (std::size_t i = 0; i <= kSplits; ++i) {
      if (lse[i] == kNever) continue;
      const double weight = std::exp((lse[i] - top) * base);
      sum += weight;
      natural += std::exp(lse[i] - top);
      if (i == kSplits) continue;
      const Part<Real>& part = state.parts[i];
      for (Eigen::Index c = 0; c < out.size(); ++c) {
        out[c] += weight * static_cast<double>(part.out[static_cast<std::size_t>(c)] / part.sum);
      }
    }
    answer_.lse[state.line] = sum > 0 ? top + std::log(natural) : kNever;
    if (sum > 0) out *= m_.output_factor / sum;
    if (m_.zeros) out.setZero();
  }

  const Problem& p_;
  const AttentionTensors& tensors_;
  const Mistake& m_;
  std::int64_t n_;
  std::int64_t share_ = 0;
  std::vector<double> sinks_;
  KernelAnswer answer_;
};

}  // namespace

const std::vector<Mistake>& Mistakes() {
  static const std::vector<Mistake> mistakes = {
      {.name = "window one key too wide", .feature = Feature::kWindow, .more_left = 1},
      {.name = "key after the row visible", .more_right = 1},
      {.name = "last key missing", .more_right = -1},
      {.name = "first key missing", .more_left = -1},
      {.name = "causal from the top left", .top_left = true},
      {.name = "wrong head map", .heads_interleaved = true},
      {.name = "softcap 50 skipped", .feature = Feature::kSoftcap50, .softcap_skipped = true},
      {.name = "softcap 20 skipped", .feature = Feature::kSoftcap20, .softcap_skipped = true},
      {.name = "scale times 1.001", .score_factor = 1.001},
      {.name = "scale times 1.01", .score_factor = 1.01},
      {.name = "key scale 1.01 ignored", .score_factor = 1.0 / 1.01},
      {.name = "value scale 1.01 ignored", .output_factor = 1.0 / 1.01},
      {.name = "sink missing", .feature = Feature::kSink, .sink_missing = true},
      {.name = "one 16-token block wrong", .wrong_keys = 16},
      {.name = "stale key and value at one position", .wrong_keys = 1},
      {.name = "splits merged by a base-2 LSE", .base_two_merge = true},
      {.name = "key counted twice at a split", .key_counted_twice = true},
      {.name = "output not rescaled once", .rescale_forgotten = true},
      {.name = "output all zeros", .zeros = true},
  };
  return mistakes;
}

KernelAnswer RunKernel(const Problem& problem, const AttentionTensors& tensors,
                       const Mistake& mistake) {
  return Kernel<float>(problem, tensors, mistake).Run();
}

KernelAnswer RunExactly(const Problem& problem, const AttentionTensors& tensors,
                        const Mistake& mistake) {
  return Kernel<double>(problem, tensors, mistake).Run();
}

KernelAnswer RunEager(const Problem& p, const AttentionTensors& tensors) {
  KernelAnswer answer;
  const std::int64_t rows = p.requests[0].q_len;
  answer.out = RowMajorMatrix::Zero(rows * p.num_q_heads, p.head_dim_v);
  answer.lse = Eigen::VectorXd::Zero(answer.out.rows());
  const std::vector<double> sinks = GatherSinks(p, tensors);
  const auto store = [&p](double x) { return RoundTo(p.query_dtype, x); };
  for (int head = 0; head < p.num_q_heads; ++head) {
    const HeadData data = Load(p, tensors, head / p.group());
    for (std::int64_t row = 0; row < rows; ++row) {
      const KeyRange seen = VisibleHull(p, 0, row);
      Eigen::RowVectorXd exact(p.head_dim_qk);
      GatherQuery(p, tensors, {.request = 0, .row = row}, head, exact);
      const Eigen::RowVectorXf query = exact.cast<float>();
      std::vector<double> scores;
      double top = sinks.empty() ? -std::numeric_limits<double>::infinity()
                                 : sinks[static_cast<std::size_t>(head)];
      for (std::int64_t key = seen.first; key < seen.last; ++key) {
        double score = static_cast<double>(Dot(query.data(), data.keys.data() + key * p.head_dim_qk,
                                               static_cast<std::size_t>(p.head_dim_qk)));
        score = store(store(score) * static_cast<double>(p.scale));
        const double cap = static_cast<double>(p.softcap);
        if (cap > 0) score = store(cap * std::tanh(score / cap));
        scores.push_back(score);
        top = std::max(top, score);
      }
      double sum = sinks.empty() ? 0.0 : std::exp(sinks[static_cast<std::size_t>(head)] - top);
      for (double& x : scores) {
        x = std::exp(x - top);
        sum += x;
      }
      std::vector<float> out(static_cast<std::size_t>(p.head_dim_v));
      for (std::size_t i = 0; i < scores.size(); ++i) {
        const auto weight = static_cast<float>(store(scores[i] / sum));
        const float* value =
            data.values.data() + (seen.first + static_cast<std::int64_t>(i)) * p.head_dim_v;
        for (std::size_t c = 0; c < out.size(); ++c) out[c] += weight * value[c];
      }
      const Eigen::Index line = row * p.num_q_heads + head;
      for (std::size_t c = 0; c < out.size(); ++c) {
        answer.out(line, static_cast<Eigen::Index>(c)) = store(static_cast<double>(out[c]));
      }
      answer.lse[line] = top + std::log(sum);
    }
  }
  return answer;
}

void StoreAnswer(const Problem& p, const KernelAnswer& answer, CallImage* image) {
  const PlacedTensor& out = *image->Find("out");
  const PlacedTensor* lse = image->Find("lse");
  for (Eigen::Index line = 0; line < answer.out.rows(); ++line) {
    const std::int64_t token = line / p.num_q_heads;
    const std::int64_t head = line % p.num_q_heads;
    for (Eigen::Index c = 0; c < answer.out.cols(); ++c) {
      StoreElement(out.dtype, answer.out(line, c), Writable(*image, out, {token, head, c}));
    }
    if (lse == nullptr) continue;
    StoreElement(lse->dtype, answer.lse[line], Writable(*image, *lse, {token, head}));
  }
}

}  // namespace attest
