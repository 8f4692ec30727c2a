#include "control/cadence.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vcas::control {
namespace {

/// Policy solve has windows at 0, F/4, F/2 and F whatever they find.
constexpr int64_t kFixedWindows = 4;
/// Log of the change of the kept work up to which ratios count as steady: what a single window's scatter
/// makes of ratios that do not change (0.1 to 0.3 on wordnet-nouns).
constexpr double kSteadyChange = 0.2;

bool is_steady(double before, double after) { return std::abs(std::log(after / before)) <= kSteadyChange; }

}  // namespace

double kept_work(const Ratios& ratios) {
  double work = 0;
  for (size_t l = 0; l < ratios.rho.size(); ++l) {
    const auto& nu = ratios.nu[l];
    const double rows = std::accumulate(nu.begin(), nu.end(), 0.0);
    work += ratios.rho[l] * (nu.empty() ? 1 : (1 + rows / static_cast<double>(nu.size())) / 2);
  }
  return work / static_cast<double>(ratios.rho.size());
}

int64_t next_interval(const ControllerState& state, const ControllerOptions& options, double before) {
  const int64_t f = options.cal_var_freq;
  if (options.policy == Policy::paper) return f;
  if (state.adaptations < kFixedWindows) {
    const int64_t early = state.adaptations + 1 == kFixedWindows ? f - f / 2 : f / 4;
    return std::max(early, options.cal_var_m);
  }
  if (state.adaptations == kFixedWindows || !is_steady(before, kept_work(state.ratios))) return f;
  return std::clamp(2 * state.interval, f, options.cal_var_stretch * f);
}

}  // namespace vcas::control
