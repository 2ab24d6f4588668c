// SPDX-License-Identifier: Apache-2.0
#include "reference/testing/plain_bound.h"

#include <algorithm>
#include <cmath>

namespace attest::testing {
namespace {

constexpr double u = 0x1p-24;

struct Class {
  Arithmetic given;
  FloatFormat format;
  double u_p, tiny, eps_alpha;
  bool flushes;
};

Class ClassOf(DType dtype, const Arithmetic& a) {
  const FloatFormat format = *FormatOf(dtype);
  const bool wide = dtype == DType::kFloat32;
  return {
      .given = a,
      .format = format,
      .u_p = wide ? 0.0 : a.round_p * format.unit_roundoff,
      .tiny = wide ? 0.0 : a.round_p * std::ldexp(0.5, format.min_exponent - format.mantissa_bits),
      .eps_alpha = 0x1p-21,
      .flushes = a.name == "lenient"};
}

// One line of the text: key by key.
struct Text {
  const Numbers& x;
  std::size_t row;
  KeyRange seen;
  Class k;
  std::vector<std::size_t> key;  // that are visible
  std::vector<double> s, dz, coh, pi, theta, up;
  double m = 0, l = 0, pi_s = 0, spread = 0, g_pv = 0, g_l = 0, theta_s = 0;

  double n() const { return static_cast<double>(s.size()); }
  double V(std::size_t j, std::size_t c) const { return x.Value(key[j], c); }
  double u_d() const { return x.key_scale.empty() ? 0.0 : u; }
  bool per_token() const {
    return std::any_of(x.key_scale.begin(), x.key_scale.end(),
                       [this](float scale) { return scale != x.key_scale[0]; });
  }

  // Score of one key, and its dz and coh before the exponential.
  void AddScore(std::size_t j) {
    const Arithmetic& a = k.given;
    double dot = 0;
    double absolute = 0;
    for (std::size_t c = 0; c < x.q[row].size(); ++c) {
      const double product = static_cast<double>(x.q[row][c]) * x.Key(j, c);
      dot += product;
      absolute += std::fabs(product);
    }
    const double z = x.scale * dot;
    const double cd = a.accumulate_qk * static_cast<double>(x.q[row].size()) * u;
    const double g = cd / (1 - cd);
    double d = ((1 + g) * (1 + a.round_q) * (1 + a.round_k) * (1 + u_d()) - 1) *
               std::fabs(x.scale) * absolute;
    double c = 3 * u * std::fabs(z) + a.round_score * std::fabs(z);
    double score = z;
    if (x.softcap > 0) {
      const double cap = x.softcap;
      c += 3 * u * std::fabs(z);
      const double t = std::tanh(std::max(std::fabs(z) - d - c, 0.0) / cap);
      const double der = 1 - t * t;
      score = cap * std::tanh(z / cap);
      d *= der;
      c = c * der + (a.tanh_error + 3 * u + a.round_score) * std::fabs(score);
    }
    const double additive = x.bias.empty() ? 0.0 : x.bias[row][j];
    const double distance = x.has_slope ? -x.slope * x.Distance(row, j) : 0.0;
    score += additive + distance;
    c += 3 * u * (std::fabs(additive) + std::fabs(distance));
    const int biases = (x.bias.empty() ? 0 : 1) + (x.has_slope ? 1 : 0);
    c += biases * (u + a.round_score) * std::fabs(score);
    key.push_back(j);
    s.push_back(score);
    dz.push_back(d);
    coh.push_back(c);
  }

  void Scores() {
    for (std::int64_t j = seen.first; j < seen.last; ++j) {
      if (x.Sees(row, static_cast<std::size_t>(j))) AddScore(static_cast<std::size_t>(j));
    }
    m = *std::max_element(s.begin(), s.end());
    if (x.has_sink) m = std::max(m, static_cast<double>(x.sink));
    for (const double score : s) l += std::exp(score - m);
    if (x.has_sink) l += std::exp(x.sink - m);
    if (x.has_sink) pi_s = std::exp(x.sink - m) / l;
  }

  void LogWeights() {
    const Arithmetic& a = k.given;
    const double rescales = std::ceil(n() / a.tile_min);
    spread = rescales * (k.eps_alpha + 2 * u) +
             2 * (4 * u * (std::fabs(m) + std::log(n()) + 1) + k.eps_alpha + a.exp_error);
    const bool flat = std::all_of(s.begin(), s.end(), [this](double z) { return z == m; });
    for (std::size_t j = 0; j < s.size(); ++j) {
      const double own = dz[j] + coh[j] +
                         u * (4 * std::max(std::fabs(s[j]), std::fabs(m)) + 9 * (m - s[j])) +
                         a.exp_error;
      const double p = std::exp(s[j] - m);
      const double weight_scale = per_token() ? std::min(1.0F, x.value_scale[key[j]]) : 1.0;
      const double least = p * weight_scale;
      double rounding = k.u_p > 0 ? std::max(k.u_p, std::min(1.0, k.tiny / least)) : 0;
      if (k.flushes && k.u_p > 0 && least < std::ldexp(1.0, k.format.min_exponent)) rounding = 1;
      if (flat && !x.has_sink && a.round_p <= 1 && !per_token()) {
        rounding = std::min(rounding, 2 * own);
      }
      if (p < 0x1p-124) rounding += 1;
      const bool far = s[j] - m + own + spread < -90;
      pi.push_back(p / l);
      theta.push_back(far ? 0 : own + spread);
      up.push_back(far ? 0 : rounding);
    }
    const double growth = (2 * rescales + 8) * u;
    g_pv = a.accumulate_pv * n() * u / (1 - a.accumulate_pv * n() * u) + growth;
    g_l = a.accumulate_l * n() * u / (1 - a.accumulate_l * n() * u) + growth;
    theta_s = 8 * u * (std::fabs(x.sink) + std::fabs(m)) + a.exp_error + spread;
  }

  double Low() const {
    double low = pi_s * std::exp(-theta_s);
    for (std::size_t j = 0; j < s.size(); ++j) {
      low += pi[j] * std::exp(-theta[j]) * (1 - std::min(1.0, up[j]));
    }
    return low;
  }
  double Whole() const {
    double whole = pi_s * std::exp(theta_s);
    for (std::size_t j = 0; j < s.size(); ++j) whole += pi[j] * std::exp(theta[j]) * (1 + up[j]);
    return whole;
  }

  double Stored(double o, double error) const {
    const double size = o + error;
    const double least = std::ldexp(1.0, k.format.min_exponent);
    const double ulp = std::ldexp(1.0, std::ilogb(std::max(size, least)) - k.format.mantissa_bits);
    const double rounding = k.given.round_output * ulp / 2;
    return k.flushes && o - error < least ? std::max(rounding, least) : rounding;
  }

  double Column(std::size_t c, double low, double whole) const {
    double o = 0;
    for (std::size_t j = 0; j < s.size(); ++j) o += pi[j] * V(j, c);
    double A = 0, C = 0, P = 0, Q = 0, centred = 0, largest = 0;
    for (std::size_t j = 0; j < s.size(); ++j) {
      const double e = std::exp(theta[j]);
      const double v = std::fabs(V(j, c));
      const double away = std::fabs(V(j, c) - o);
      A += pi[j] * e * (1 + up[j]) * v;
      C += pi[j] * std::expm1(theta[j]) * away;
      P += pi[j] * e * up[j] * v;
      Q += pi[j] * e * up[j] * away;
      centred = std::max(centred, away);
      largest = std::max(largest, v);
    }
    const double u_v = (1 + k.given.round_v) * (1 + u_d()) - 1;
    const double T = std::expm1(theta_s) * pi_s * std::fabs(o);
    double E =
        (C + std::max(P, Q) + (u_v + g_pv + u_v * g_pv) * A + g_l * std::fabs(o) * whole + T) /
        (low * (1 - g_l));
    const double R =
        (1 + *std::max_element(up.begin(), up.end())) * (1 + u_v) * (1 + g_pv) / (1 - g_l) - 1;
    const double range = centred + (x.has_sink ? std::fabs(o) : 0) + R * largest;
    E = *std::max_element(theta.begin(), theta.end()) > 100 ? range : std::min(E, range);
    E += 3 * u * (std::fabs(o) + E) + k.given.round_partial * (std::min(A, 2 * largest) + E) +
         n() * 0x1p-125 * (1 + largest);
    return E + Stored(std::fabs(o), E);
  }
};

}  // namespace

PlainBound ComputePlainBound(const Numbers& numbers, std::size_t row, KeyRange seen, DType dtype,
                             const Arithmetic& arithmetic) {
  Text text{.x = numbers, .row = row, .seen = seen, .k = ClassOf(dtype, arithmetic)};
  text.Scores();
  text.LogWeights();
  const double low = text.Low();
  const double whole = text.Whole();
  PlainBound bound;
  for (std::size_t c = 0; c < numbers.v[0].size(); ++c) {
    bound.out.push_back(text.Column(c, low, whole));
  }
  const double lse = text.m + std::log(text.l);
  bound.lse = std::max(std::log(whole), -std::log(low)) + text.g_l / (1 - text.g_l) +
              2 * text.k.eps_alpha + 6 * u * (std::fabs(text.m) + std::fabs(lse));
  return bound;
}

}  // namespace attest::testing
