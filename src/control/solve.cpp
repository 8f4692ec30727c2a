#include "control/solve.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "control/nested_replay.h"

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
double mean_squared_scale(const std::vector<WindowBatch>& batches, int64_t gradient) {
  double sum = 0;
  for (const WindowBatch& batch : batches) sum += batch.gradient_squares[static_cast<size_t>(gradient)];
  return sum / static_cast<double>(batches.size());
}

// Squared errors of all sampled passes, each in units of its own batch.
std::vector<CurvePoint> curve_points(const ControllerState& state, const ControllerOptions& options) {
  std::vector<CurvePoint> points;
  for (size_t i = 0; i < state.window->batches.size(); ++i) {
    const WindowBatch& batch = state.window->batches[i];
    const double scale = squared_scale(batch);
    const auto positions = probe_positions(state, options, i);
    for (size_t j = 0; j < positions.size(); ++j) {
      points.push_back({positions[j], scale > 0 ? batch.squared_errors[j] / scale : 0});
    }
  }
  return points;
}

double solve_s(const ControllerState& state, const ControllerOptions& options) {
  const double budget = kBudgetShare * options.act_var_tau * state.gradient_variance.value();
  if (budget <= 0) return 1;
  const bool first = state.adaptations == 0;
  const double rest = 1 - state.ratios.s;
  // Nothing was lost at any s that was tried: there is room for more.
  double solved = state.curve ? 1 - state.curve->s_at(budget) : first ? 1 : 2 * rest;
  if (!first) solved = std::clamp(solved, rest / kLargestStep, rest * kLargestStep);
  return std::clamp(1 - solved, options.s_min, 1.0);
}

std::vector<std::vector<ReplayedDraw>> replay(const ControllerState& state, const ControllerOptions& options,
                                              sampling::StreamKey stream) {
  stream.site = sampling::Site::draw_replay;
  std::vector<std::vector<ReplayedDraw>> draws;
  for (size_t i = 0; i < state.window->batches.size(); ++i) {
    auto& row = draws.emplace_back();
    stream.rank = static_cast<uint32_t>(i);  // one stream a batch
    for (stream.draw = 0; stream.draw < kReplays; ++stream.draw) {
      row.push_back(replay_draw(state.window->batches[i], state.ratios.rho, options.draw_method, stream));
    }
  }
  return draws;
}

/// A linear of a block.
struct Place {
  size_t block;
  size_t linear;
};

std::vector<Place> trainable_linears(const SamplingLayout& layout) {
  std::vector<Place> places;
  for (size_t l = 0; l < layout.blocks.size(); ++l) {
    for (size_t i = 0; i < layout.blocks[l].size(); ++i) {
      if (layout.blocks[l][i].trainable) places.push_back({l, i});
    }
  }
  return places;
}

void solve_row_ratios(ControllerState& state, const ControllerOptions& options, const SamplingLayout& layout,
                      const sampling::StreamKey& stream) {
  const auto& batches = state.window->batches;
  const auto draws = replay(state, options, stream);
  const auto places = trainable_linears(layout);
  std::vector<double> variances(places.size());
  const auto solve_place = [&](size_t place) {
    const auto [l, i] = places[place];
    const auto& linear = layout.blocks[l][i];
    std::vector<SampledRows> outcomes;
    for (size_t b = 0; b < batches.size(); ++b) {
      for (const ReplayedDraw& draw : draws[b])
        outcomes.push_back(sampled_rows(linear, l, i, batches[b], draw));
    }
    const double budget = kBudgetShare * options.w_var_tau * state.weight_variance[l][i].value() *
                          mean_squared_scale(batches, linear.gradient_index);
    state.ratios.nu[l][i] = solve_row_keep_ratio(outcomes, budget, options.row_keep_ratio_min);
    variances[place] = mean_row_variance(outcomes, state.ratios.nu[l][i]);
  };
  at::parallel_for(0, static_cast<int64_t>(places.size()), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t place = begin; place < end; ++place) solve_place(static_cast<size_t>(place));
  });
  state.report.v_w = std::accumulate(variances.begin(), variances.end(), 0.0);
}

}  // namespace

std::vector<double> probe_positions(const ControllerState& state, const ControllerOptions& options,
                                    size_t batch) {
  const auto current = state.adaptations > 0 ? std::optional(state.ratios.s) : std::nullopt;
  return probe_ladder(options.cal_var_m, current, options.s_min)[batch];
}

void solve_ratios(ControllerState& state, const ControllerOptions& options, const SamplingLayout& layout,
                  const sampling::StreamKey& stream) {
  const Window& window = *state.window;
  const double scale = mean_squared_scale(window.batches);
  if (scale == 0) return;  // no gradient, nothing to learn
  const auto variances = window.gradients.variances();
  state.gradient_variance.add(std::accumulate(variances.begin(), variances.end(), 0.0) / scale);
  for (const auto [l, i] : trainable_linears(layout)) {
    const int64_t gradient = layout.blocks[l][i].gradient_index;
    state.weight_variance[l][i].add(variances[static_cast<size_t>(gradient)] /
                                    mean_squared_scale(window.batches, gradient));
  }
  state.curve = fit_curve(curve_points(state, options), state.curve);
  auto& [s, rho, nu] = state.ratios;
  s = solve_s(state, options);
  rho = mean_keep_ratios(norms_of(window.batches), state.past_norms, s);
  state.report.v_sgd = state.gradient_variance.value() * scale;
  state.report.v_act = state.curve ? state.curve->at(s) * scale : 0;
  state.report.s = s;
  solve_row_ratios(state, options, layout, stream);
  state.past_norms.insert(state.past_norms.begin(), norms_of(window.batches));
  if (state.past_norms.size() > kPastWindows) state.past_norms.pop_back();
}

}  // namespace vcas::control
