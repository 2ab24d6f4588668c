// SPDX-License-Identifier: Apache-2.0
#include "reference/testing/families.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "reference/float_formats.h"

namespace attest::testing {
namespace {

using Matrix = std::vector<std::vector<float>>;
// What one element of a matrix becomes; `line` is a row of q or a key.
using Change = std::function<double(std::int64_t line, std::int64_t column, double value)>;

Matrix Normal(Random* random, std::int64_t lines, std::int64_t columns) {
  Matrix matrix(static_cast<std::size_t>(lines),
                std::vector<float>(static_cast<std::size_t>(columns)));
  for (auto& line : matrix) {
    for (float& value : line) value = static_cast<float>(random->Normal());
  }
  return matrix;
}

void Apply(Matrix* matrix, const Change& change) {
  for (std::size_t n = 0; n < matrix->size(); ++n) {
    for (std::size_t c = 0; c < (*matrix)[n].size(); ++c) {
      (*matrix)[n][c] = static_cast<float>(
          change(static_cast<std::int64_t>(n), static_cast<std::int64_t>(c), (*matrix)[n][c]));
    }
  }
}

// A subnormal input is a number that some matrix units drop before any arithmetic.
double Snap(DType dtype, double value) {
  const double rounded = RoundTo(dtype, value);
  return std::fabs(rounded) < std::ldexp(1.0, FormatOf(dtype)->min_exponent) ? 0.0 : rounded;
}

struct Family {
  std::string_view name;
  std::function<void(Random*, Numbers*)> change;
};

// q and k whose scores run from `first` (key 0) to `last` in equal steps, for every row.
void Ramp(double first, double last, Numbers* n) {
  const double keys = static_cast<double>(n->k.size());
  Apply(&n->q, [](auto, std::int64_t c, double) { return c == 0 ? 1.0 : 0.0; });
  Apply(&n->k, [=](std::int64_t key, std::int64_t c, double value) {
    return c == 0 ? first + (last - first) * static_cast<double>(key) / keys : value;
  });
  n->scale = 1.0F;
}

void ScaleValues(Numbers* n, double factor) {
  Apply(&n->v, [factor](auto, auto, double value) { return factor * value; });
}

void SetSink(Numbers* n, double sink) {
  n->has_sink = true;
  n->sink = static_cast<float>(sink);
}

std::vector<Family> ScoreFamilies() {
  return {
      {"normal", [](Random*, Numbers*) {}},
      {"peaky", [](Random*, Numbers* n) { n->scale *= 12.0F; }},
      {"very-peaky", [](Random*, Numbers* n) { n->scale *= 300.0F; }},
      {"flat-zero-keys",
       [](Random*, Numbers* n) { Apply(&n->k, [](auto, auto, auto) { return 0.0; }); }},
      {"flat-equal-keys",
       [](Random*, Numbers* n) {
         const std::vector<float> first = n->k[0];
         Apply(&n->k,
               [&](auto, std::int64_t c, double) { return first[static_cast<std::size_t>(c)]; });
       }},
      {"two-level",
       [](Random*, Numbers* n) {
         Ramp(0, 0, n);
         Apply(&n->k, [](std::int64_t key, std::int64_t c, double value) {
           return c == 0 ? (key % 3 == 0 ? 5.0 : 0.0) : value;
         });
       }},
      {"monotone-up", [](Random*, Numbers* n) { Ramp(-30, 30, n); }},
      {"monotone-down", [](Random*, Numbers* n) { Ramp(30, -30, n); }},
      {"steep-up", [](Random*, Numbers* n) { Ramp(-300, 100, n); }},
      {"offset-200",
       [](Random*, Numbers* n) {
         Apply(&n->q, [](auto, std::int64_t c, double value) { return c == 0 ? 16.0 : value; });
         Apply(&n->k, [n](auto, std::int64_t c, double value) {
           return c == 0 ? 200.0 / (16.0 * static_cast<double>(n->scale)) : value;
         });
       }},
      {"offset-minus-5000",
       [](Random*, Numbers* n) {
         Apply(&n->q, [](auto, std::int64_t c, double value) { return c == 0 ? 50.0 : value; });
         Apply(&n->k, [](auto, std::int64_t c, double value) { return c == 0 ? -100.0 : value; });
         n->scale = 1.0F;
       }},
      {"clustered-weights", [](Random*, Numbers* n) { n->scale *= 0.003F; }},
      {"outlier-channels",
       [](Random*, Numbers* n) {
         const auto grow = [](auto, std::int64_t c, double value) {
           return c % 17 == 0 ? 20.0 * value : value;
         };
         Apply(&n->q, grow);
         Apply(&n->k, grow);
       }},
      {"first-key-attracts",
       [](Random*, Numbers* n) {
         Apply(&n->q, [](auto, std::int64_t c, double value) { return c == 0 ? 4.0 : value; });
         Apply(&n->k, [n](std::int64_t key, std::int64_t c, double value) {
           return c == 0 && key == 0 ? 3.0 / static_cast<double>(n->scale) : value;
         });
       }},
      {"small-sink", [](Random* r, Numbers* n) { SetSink(n, r->Normal()); }},
      {"large-sink", [](Random* r, Numbers* n) { SetSink(n, 20.0 + r->Normal()); }},
      {"tiny-sink", [](Random*, Numbers* n) { SetSink(n, -50.0); }},
  };
}

std::vector<Family> ValueFamilies() {
  return {
      {"positive-values",
       [](Random*, Numbers* n) {
         Apply(&n->v, [](auto, auto, double value) { return 1.0 + 0.2 * std::fabs(value); });
       }},
      {"positive-values-with-sink",
       [](Random*, Numbers* n) {
         Apply(&n->v, [](auto, auto, double value) { return 1.0 + std::fabs(value); });
         SetSink(n, 3.0);
       }},
      {"constant-values",
       [](Random*, Numbers* n) { Apply(&n->v, [](auto, auto, auto) { return 1.37; }); }},
      {"log-normal-values",
       [](Random*, Numbers* n) {
         Apply(&n->v, [](auto, auto, double value) { return std::exp(2.0 * value); });
       }},
      {"signs",
       [](Random*, Numbers* n) {
         Apply(&n->v, [](auto, auto, double x) { return x < 0 ? -1 : 1; });
       }},
      {"powers-of-two",
       [](Random* r, Numbers* n) {
         Apply(&n->v, [r](auto, auto, double value) {
           return std::copysign(std::ldexp(1.0, static_cast<int>(r->Int(-8, 4))), value);
         });
       }},
      {"cancelling-pairs",
       [](Random*, Numbers* n) {
         const Matrix k = n->k;
         const Matrix v = n->v;
         const auto pair = [](std::int64_t key) { return static_cast<std::size_t>(key / 2 * 2); };
         Apply(&n->k, [&](std::int64_t key, std::int64_t c, double) {
           return k[pair(key)][static_cast<std::size_t>(c)];
         });
         Apply(&n->v, [&](std::int64_t key, std::int64_t c, double) {
           const float value = v[pair(key)][static_cast<std::size_t>(c)];
           return key % 2 == 0 ? value : -value;
         });
       }},
      {"values-follow-scores",
       [](Random*, Numbers* n) {
         Apply(&n->v, [n](std::int64_t key, std::int64_t c, double) {
           const auto& line = n->k[static_cast<std::size_t>(key)];
           return 3.0 * static_cast<double>(line[static_cast<std::size_t>(c) % line.size()]);
         });
       }},
      {"large-values", [](Random*, Numbers* n) { ScaleValues(n, 100.0); }},
      {"small-values", [](Random*, Numbers* n) { ScaleValues(n, 1e-3); }},
      {"nearly-subnormal-outputs", [](Random*, Numbers* n) { ScaleValues(n, 3e-4); }},
      {"peaky-log-normal",
       [](Random*, Numbers* n) {
         n->scale *= 8.0F;
         Apply(&n->v, [](auto, auto, double value) { return std::exp(value); });
       }},
  };
}

const std::vector<Family>& Families() {
  static const std::vector<Family> families = [] {
    std::vector<Family> all = ScoreFamilies();
    for (const Family& family : ValueFamilies()) all.push_back(family);
    return all;
  }();
  return families;
}

}  // namespace

namespace {

void AddMask(Random* random, Problem* problem, Numbers* n) {
  const std::int64_t hidden = random->Int(1, 20);  // one key in so many
  problem->custom_mask = MaskKind::kBoolean;
  n->seen.assign(n->rows(), std::vector<std::uint8_t>(n->keys(), 1));
  for (auto& row : n->seen) {
    for (std::uint8_t& key : row) key = random->OneIn(hidden + 1) ? 0 : 1;
  }
}

void AddBias(Random* random, Problem* problem, Numbers* n) {
  const double size = random->Pick({0.1, 3.0, 100.0});
  const double mask = random->Pick({-std::numeric_limits<double>::infinity(), -1e4, -1e30});
  problem->custom_mask = MaskKind::kAdditive;
  problem->additive_mask_dtype = random->OneIn(2) ? DType::kFloat32 : problem->query_dtype;
  n->bias.assign(n->rows(), std::vector<float>(n->keys()));
  for (auto& row : n->bias) {
    for (float& x : row) {
      const double number = random->OneIn(4) ? mask : size * random->Normal();
      x = static_cast<float>(RoundTo(problem->additive_mask_dtype, number));
    }
  }
}

// Stores k and v in `dtype` with a scale of each tensor or of each token.
void Quantise(Random* random, DType dtype, bool per_token, Matrix* matrix,
              std::vector<float>* scales) {
  const double spread = random->Pick({0.01, 0.11, 1.3});
  const auto scale = static_cast<float>(spread * (0.5 + random->Uniform()));
  scales->clear();
  for (auto& line : *matrix) {
    scales->push_back(per_token ? static_cast<float>(scale * (0.5 + random->Uniform())) : scale);
    for (float& x : line) {
      x = static_cast<float>(RoundTo(dtype, static_cast<double>(x) / scales->back()));
    }
  }
}

}  // namespace

bool Numbers::Sees(std::size_t row, std::size_t key) const {
  if (!seen.empty() && seen[row][key] == 0) return false;
  return bias.empty() || bias[row][key] != -std::numeric_limits<float>::infinity();
}

double Numbers::Key(std::size_t key, std::size_t column) const {
  const double stored = k[key][column];
  return key_scale.empty() ? stored : stored * static_cast<double>(key_scale[key]);
}

double Numbers::Value(std::size_t key, std::size_t column) const {
  const double stored = v[key][column];
  return value_scale.empty() ? stored : stored * static_cast<double>(value_scale[key]);
}

double Numbers::Distance(std::size_t row, std::size_t key) const {
  const auto position = static_cast<double>(keys()) - static_cast<double>(rows() - row);
  return std::fabs(position - static_cast<double>(key));
}

void Magnify(double query, double key, double value, DType dtype, Numbers* numbers) {
  const auto grow = [dtype](Matrix* matrix, double factor) {
    double largest = 1e-30;
    for (const auto& line : *matrix) {
      for (const float x : line) largest = std::max(largest, std::fabs(static_cast<double>(x)));
    }
    // Half the largest fp16: outputs and scaled queries stay finite as well.
    if (dtype == DType::kFloat16) factor = std::min(factor, 32752.0 / largest);
    Apply(matrix, [=](auto, auto, double x) { return Snap(dtype, factor * x); });
  };
  grow(&numbers->q, query);
  grow(&numbers->k, key);
  grow(&numbers->v, value);
}

void Dress(Random* random, Problem* problem, Numbers* numbers) {
  if (random->OneIn(3)) {
    problem->softcap = numbers->softcap = random->Pick({0.7F, 15.0F, 50.0F});
  }
  if (random->OneIn(3)) {
    problem->alibi = numbers->has_slope = true;
    numbers->slope = static_cast<float>(std::exp2(-8.0 * random->Uniform()));
  }
  if (random->OneIn(3)) {
    AddMask(random, problem, numbers);
  } else if (random->OneIn(2)) {
    AddBias(random, problem, numbers);
  }
  if (!random->OneIn(3)) return;
  const bool per_token = random->OneIn(2);
  problem->kv_scale_kind = per_token ? KvScaleKind::kPerTokenHead : KvScaleKind::kPerTensor;
  problem->cache_dtype = random->Pick({DType::kFloat8E4M3FN, DType::kFloat8E5M2});
  if (per_token && random->OneIn(2)) problem->cache_dtype = DType::kInt8;
  Quantise(random, problem->cache_dtype, per_token, &numbers->k, &numbers->key_scale);
  Quantise(random, problem->cache_dtype, per_token, &numbers->v, &numbers->value_scale);
}

const std::vector<std::string_view>& FamilyNames() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const Family& family : Families()) all.push_back(family.name);
    return all;
  }();
  return names;
}

Numbers MakeFamily(Random* random, std::string_view name, const Sizes& sizes, DType dtype) {
  Numbers numbers;
  numbers.q = Normal(random, sizes.rows, sizes.head_dim_qk);
  numbers.k = Normal(random, sizes.keys, sizes.head_dim_qk);
  numbers.v = Normal(random, sizes.keys, sizes.head_dim_v);
  numbers.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(sizes.head_dim_qk)));
  for (const Family& family : Families()) {
    if (family.name == name) family.change(random, &numbers);
  }
  const Change snap = [dtype](auto, auto, double value) { return Snap(dtype, value); };
  Apply(&numbers.q, snap);
  Apply(&numbers.k, snap);
  Apply(&numbers.v, snap);
  return numbers;
}

}  // namespace attest::testing
