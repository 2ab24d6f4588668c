// SPDX-License-Identifier: Apache-2.0
#include "reference/testing/families.h"

#include <cmath>
#include <functional>

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
