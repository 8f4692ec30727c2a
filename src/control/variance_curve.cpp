#include "control/variance_curve.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace vcas::control {
namespace {

// From runs of MiniLM on SST-2: V_act/V_s grows with an exponent between 2 and 3 of 1-s.
constexpr double kExponentMean = 2.2, kExponentSd = 0.5;
constexpr double kExponentMin = 1.0, kExponentMax = 3.5;
constexpr double kPointSd = 0.6;  // log-sd of the squared error of one trial pass, its batch's share included
constexpr double kPreviousLevelSd = 0.5;  // how far the level drifts from window to window
constexpr double kPreviousExponentSd = 0.7;
constexpr double kHuber = 1.5;  // standard deviations beyond which a point pulls no harder
constexpr int kIterations = 30;

// log(1-s) is bounded: below it every sample is kept at any batch size.
constexpr double kSmallestRest = 1e-4;

struct Line {
  double level, slope;
};

// Weighted least squares of y = level + slope·x with normal priors on both.
struct NormalEquations {
  double ll = 0, ls = 0, ss = 0, l = 0, s = 0;

  void add(double x, double y, double precision) {
    ll += precision;
    ls += precision * x;
    ss += precision * x * x;
    l += precision * y;
    s += precision * x * y;
  }
  void add_slope_prior(double mean, double sd) {
    ss += 1 / (sd * sd);
    s += mean / (sd * sd);
  }
  Line solve() const {
    const double determinant = ll * ss - ls * ls;
    const double slope = std::clamp((ll * s - ls * l) / determinant, kExponentMin, kExponentMax);
    return {(l - slope * ls) / ll, slope};
  }
};

struct LogPoint {
  double x, y;
};

std::vector<LogPoint> log_points(const std::vector<CurvePoint>& points) {
  std::vector<LogPoint> result;
  for (const auto& [s, log_variance] : points) {
    // E log of a single squared error lies below log E by half its log-variance.
    if (std::isfinite(log_variance) && s < 1)
      result.push_back({std::log1p(-s), log_variance + kPointSd * kPointSd / 2});
  }
  return result;
}

}  // namespace

double VarianceCurve::at(double s) const {
  if (s >= 1) return 0;
  return std::exp(log_level + exponent * (std::log1p(-s) - log_position));
}

double VarianceCurve::s_at(double variance) const {
  return 1 - std::exp(log_position + (std::log(variance) - log_level) / exponent);
}

std::optional<VarianceCurve> fit_curve(const std::vector<CurvePoint>& points,
                                       const std::optional<VarianceCurve>& previous) {
  std::vector<LogPoint> data = log_points(points);
  if (data.empty()) return std::nullopt;
  double position = 0;
  for (const LogPoint& point : data) position += point.x / static_cast<double>(data.size());
  for (LogPoint& point : data) point.x -= position;

  Line line{};
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    NormalEquations equations;
    equations.add_slope_prior(kExponentMean, kExponentSd);
    if (previous) {
      equations.add_slope_prior(previous->exponent, kPreviousExponentSd);
      const double level = previous->log_level + previous->exponent * (position - previous->log_position);
      equations.add(0, level, 1 / (kPreviousLevelSd * kPreviousLevelSd));
    }
    for (const LogPoint& point : data) {
      const double distance = std::abs(point.y - line.level - line.slope * point.x) / kPointSd;
      const double trust = iteration == 0 || distance <= kHuber ? 1 : kHuber / distance;
      equations.add(point.x, point.y, trust / (kPointSd * kPointSd));
    }
    line = equations.solve();
  }
  return VarianceCurve{position, line.level, line.slope};
}

std::vector<std::vector<double>> trial_ladder(int64_t m, const std::optional<double>& current, double s_min) {
  constexpr std::array<double, 4> kFirstRests{0.05, 0.15, 0.3, 0.5};  // 1-s
  const auto steps = static_cast<double>(m * m - 1);
  std::vector<std::vector<double>> ladder(static_cast<size_t>(m));
  for (int64_t step = 0; step < m * m; ++step) {
    const double share = static_cast<double>(step) / steps;
    double rest = 0;
    if (current) {
      rest = (1 - *current) * std::exp2(2 * share - 1);  // half to twice the present 1-s
    } else {
      const double place = share * (kFirstRests.size() - 1);
      const auto lower = std::min(static_cast<size_t>(place), kFirstRests.size() - 2);
      const double part = place - static_cast<double>(lower);
      rest = (1 - part) * kFirstRests[lower] + part * kFirstRests[lower + 1];
    }
    ladder[static_cast<size_t>(step % m)].push_back(std::clamp(1 - rest, s_min, 1 - kSmallestRest));
  }
  return ladder;
}

}  // namespace vcas::control
