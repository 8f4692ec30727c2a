#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace vcas::control {

/// V_act(s) ≈ exp(log_level)·((1-s)/exp(log_position))^exponent near the position.
struct VarianceCurve {
  double log_position = 0;  ///< log(1-s) in the middle of what was measured
  double log_level = 0;
  double exponent = 2.2;

  double at(double s) const;
  /// The s at which the curve reaches `variance`. @param variance positive.
  double s_at(double variance) const;
};

/// One trial pass: at which s, and the log of its squared error.
struct CurvePoint {
  double s = 1;
  double log_variance = 0;
};

/// Fits a curve by robust least squares in log-log scale (Huber), under priors: exponent near 2.2, within
/// [1, 3.5], and lightly what the previous window found. Points at s = 1 and without a finite log (nothing
/// was lost) say nothing and are left out.
/// @return nothing when no point is left.
std::optional<VarianceCurve> fit_curve(const std::vector<CurvePoint>& points,
                                       const std::optional<VarianceCurve>& previous);

/// s of every trial pass of a window of M batches: [batch][pass], M² values spread evenly in log(1-s), of
/// which each batch has low and high ones. @param current nothing before the first adaptation: a wide ladder.
std::vector<std::vector<double>> trial_ladder(int64_t m, const std::optional<double>& current, double s_min);

}  // namespace vcas::control
