#include "control/solve.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "control/nested_replay.h"
#include "control/solver.h"

namespace vcas::control {
namespace {

constexpr double kBudgetShare = 0.8;  // what is aimed at, so that noise seldom overspends
constexpr double kLargestStep =
    2.5;                            // factor of 1-s in one adaptation: the window measured from half to twice
constexpr size_t kPastWindows = 3;  // whose norms still count
constexpr uint32_t kReplays = 16;   // draws of SampleA a batch

double squared_scale(const WindowBatch& batch) {
  return std::accumulate(batch.gradient_squares.begin(), batch.gradient_squares.end(), 0.0);
}

double mean_squared_scale(const std::vector<WindowBatch>& batches) {
  double sum = 0;
  for (const WindowBatch& batch : batches) sum += squared_scale(batch);
  return sum / static_cast<double>(batches.size());
}

// The same of one parameter.
double mean_squared_scale(const std::vector<WindowBatch>& batches, size_t gradient) {
  double sum = 0;
  for (const WindowBatch& batch : batches) sum += batch.gradient_squares[gradient];
  return sum / static_cast<double>(batches.size());
}

/// Policy solve: the ratios at which the expected variances are 0.8 of their budgets, in one step.
///
/// Every variance is taken in units of the squared gradient that it belongs to, the mean over a window's
/// batches of ‖g_i‖², of all parameters for V_s and V_act, of one weight for V_s,w: gradients grow and shrink
/// by orders of magnitude within a few windows (60 times in the first 160 steps of MiniLM), while V_s/‖g‖² =
/// 1 - cos(g_1, g_2) hardly moves and can be averaged over windows; and what one batch has more gradient than
/// another cancels.
///   V_s, V_s,w   averages over windows in log scale (log_average.h)
///   V_act(s)     a power law of 1-s through the window's squared errors (variance_curve.h)
///   ρ            mean over the batches of max_{j ≤ l} p_j(s), no average over windows
///   V_w(ν)       expected over replayed draws of SampleA at that ρ (nested_replay.h)
/// Over ranks V_s and its scale are averaged, the logs of squared errors in units of their own batch, p and
/// ν.
class SolveSolver final : public RatioSolver {
 public:
  SolveSolver(ControllerState& state, const ControllerOptions& options,
              const sampling::SamplingLayout& layout, const sampling::StreamKey& stream)
      : state_(state),
        options_(options),
        layout_(layout),
        stream_(stream.at(sampling::Site::draw_replay)),
        places_(learned_weights(layout)) {}

  /// [‖g‖², V_s, (V_s,w, ‖g_w‖²) by weight, (1, log V_act) by trial pass], then [p by block], then [ν by
  /// weight, V_w].
  std::vector<double> numbers() const override {
    if (round_ == Round::variances) return variances();
    if (round_ == Round::sample_ratios) {
      return mean_keep_ratios(layout_, norms_of(batches()), state_.past_norms, state_.ratios.s);
    }
    return row_ratios();
  }

  bool take(const std::vector<double>& means) override {
    const size_t expected = round_ == Round::variances       ? 2 + 2 * places_.size() + 2 * trials()
                            : round_ == Round::sample_ratios ? layout_.blocks.size()
                                                             : places_.size() + 1;
    TORCH_CHECK(means.size() == expected, "controller: expected sums of ", expected, " numbers, got ",
                means.size());
    if (round_ == Round::variances) return take_variances(means);
    if (round_ == Round::sample_ratios) {
      state_.ratios.rho = means;
      round_ = Round::row_ratios;
      return true;
    }
    for (size_t i = 0; i < places_.size(); ++i)
      state_.ratios.nu[places_[i].block][places_[i].weight] = means[i];
    state_.report.v_w = means.back();
    state_.past_norms.insert(state_.past_norms.begin(), norms_of(batches()));
    if (state_.past_norms.size() > kPastWindows) state_.past_norms.pop_back();
    return false;
  }

 private:
  enum class Round { variances, sample_ratios, row_ratios };

  const std::vector<WindowBatch>& batches() const { return state_.window->batches; }
  size_t trials() const { return static_cast<size_t>(options_.cal_var_m * options_.cal_var_m); }
  size_t gradient_of(const Place& place) const {
    return static_cast<size_t>(layout_.blocks[place.block].weights[place.weight].gradient);
  }

  std::vector<double> variances() const;
  bool take_variances(const std::vector<double>& means);
  double solve_s() const;
  std::vector<std::vector<ReplayedDraw>> replay() const;
  std::vector<double> row_ratios() const;

  ControllerState& state_;
  const ControllerOptions& options_;
  const sampling::SamplingLayout& layout_;
  sampling::StreamKey stream_;
  std::vector<Place> places_;
  Round round_ = Round::variances;
  std::vector<double> weight_scale_;  ///< by place, mean squared gradient over batches and ranks
};

std::vector<double> SolveSolver::variances() const {
  const auto variances = state_.window->gradients.variances();
  std::vector<double> numbers{mean_squared_scale(batches()),
                              std::accumulate(variances.begin(), variances.end(), 0.0)};
  for (const Place& place : places_) {
    numbers.push_back(variances[gradient_of(place)]);
    numbers.push_back(mean_squared_scale(batches(), gradient_of(place)));
  }
  for (const WindowBatch& batch : batches()) {
    const double scale = squared_scale(batch);
    for (const double error : batch.squared_errors) {
      // Each in units of its own batch. A pass that lost nothing says nothing.
      const bool counts = scale > 0 && error / scale > 0;
      numbers.push_back(counts ? 1 : 0);
      numbers.push_back(counts ? std::log(error / scale) : 0);
    }
  }
  return numbers;
}

bool SolveSolver::take_variances(const std::vector<double>& means) {
  const double* next = means.data();
  const double scale = *next++, v_sgd = *next++;
  if (scale == 0) return false;  // no gradient, nothing to learn
  state_.gradient_variance.add(v_sgd / scale);
  for (const Place& place : places_) {
    const double v_sgd_weight = *next++;
    weight_scale_.push_back(*next++);
    state_.weight_variance[place.block][place.weight].add(v_sgd_weight / weight_scale_.back());
  }
  std::vector<CurvePoint> points;
  for (size_t i = 0; i < batches().size(); ++i) {
    for (const double position : trial_positions(state_, options_, i)) {
      const double count = *next++, log_variance = *next++;
      if (count > 0) points.push_back({position, log_variance / count});
    }
  }
  state_.curve = fit_curve(points, state_.curve);
  double& s = state_.ratios.s;
  s = solve_s();
  state_.report = {state_.gradient_variance.value() * scale, state_.curve ? state_.curve->at(s) * scale : 0,
                   state_.report.v_w, s};
  round_ = Round::sample_ratios;
  return true;
}

double SolveSolver::solve_s() const {
  const double budget = kBudgetShare * options_.act_var_tau * state_.gradient_variance.value();
  if (budget <= 0) return 1;
  const bool first = state_.adaptations == 0;
  const double rest = 1 - state_.ratios.s;
  // Nothing was lost at any s that was tried: there is room for more.
  double solved = state_.curve ? 1 - state_.curve->s_at(budget) : first ? 1 : 2 * rest;
  if (!first) solved = std::clamp(solved, rest / kLargestStep, rest * kLargestStep);
  return std::clamp(1 - solved, options_.s_min, 1.0);
}

std::vector<std::vector<ReplayedDraw>> SolveSolver::replay() const {
  std::vector<std::vector<ReplayedDraw>> draws;
  auto stream = stream_;
  for (size_t i = 0; i < batches().size(); ++i) {
    auto& row = draws.emplace_back();
    stream.index = static_cast<uint32_t>(i);  // one stream a batch
    for (stream.draw = 0; stream.draw < kReplays; ++stream.draw) {
      row.push_back(replay_draw(layout_, batches()[i], state_.ratios.rho, options_.draw_method, stream));
    }
  }
  return draws;
}

std::vector<double> SolveSolver::row_ratios() const {
  const auto draws = replay();
  std::vector<double> ratios(places_.size()), variances(places_.size());
  const auto solve_place = [&](size_t i) {
    const Place& place = places_[i];
    std::vector<SampledRows> outcomes;
    for (size_t b = 0; b < batches().size(); ++b) {
      for (const ReplayedDraw& draw : draws[b]) outcomes.push_back(sampled_rows(place, batches()[b], draw));
    }
    const double budget = kBudgetShare * options_.w_var_tau *
                          state_.weight_variance[place.block][place.weight].value() * weight_scale_[i] /
                          place.uses;
    ratios[i] = solve_row_keep_ratio(outcomes, budget, options_.row_keep_ratio_min);
    variances[i] = mean_row_variance(outcomes, ratios[i]);
  };
  at::parallel_for(0, static_cast<int64_t>(places_.size()), /*grain_size=*/1,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i) solve_place(static_cast<size_t>(i));
                   });
  ratios.push_back(std::accumulate(variances.begin(), variances.end(), 0.0));
  return ratios;
}

}  // namespace

std::unique_ptr<RatioSolver> solve_solver(ControllerState& state, const ControllerOptions& options,
                                          const sampling::SamplingLayout& layout,
                                          const sampling::StreamKey& stream) {
  return std::make_unique<SolveSolver>(state, options, layout, stream);
}

std::vector<double> trial_positions(const ControllerState& state, const ControllerOptions& options,
                                    size_t batch) {
  const auto current = state.adaptations > 0 ? std::optional(state.ratios.s) : std::nullopt;
  return trial_ladder(options.cal_var_m, current, options.s_min)[batch];
}

}  // namespace vcas::control
