#include "control/paper.h"

#include <algorithm>
#include <numeric>

#include "control/row_variance.h"
#include "control/solver.h"
#include "vcas/sampling/counts.h"

namespace vcas::control {
namespace {

double sign(double value) { return value > 0 ? 1 : value < 0 ? -1 : 0; }

double mean_squared_error(const std::vector<WindowBatch>& batches) {
  double sum = 0, passes = 0;
  for (const WindowBatch& batch : batches) {
    sum = std::accumulate(batch.squared_errors.begin(), batch.squared_errors.end(), sum);
    passes += static_cast<double>(batch.squared_errors.size());
  }
  return sum / passes;
}

double mean_row_variance(const std::vector<WindowBatch>& batches, const Place& place) {
  double sum = 0;
  for (const WindowBatch& batch : batches) sum += batch.sampled_row_variance[place.block][place.weight];
  return sum / static_cast<double>(batches.size());
}

/// The published update rule, one window's measurements in:
///   s ← clamp(s + α·sign(V_act - τ_act·V_s), s_min, 1)
///   ν ← ν/β above the weight's budget τ_w·V_s,w, ν·β below it, within [ν_min, 1]
///   ρ ← 0.6·ρ + 0.4·(mean over batches of max_{j ≤ l} p_j(s))
/// Source: VCAS (arXiv 2402.17227), Eq. 6, 7 (which is printed with the sign the wrong way round) and 4.
class PaperSolver final : public RatioSolver {
 public:
  PaperSolver(ControllerState& state, const ControllerOptions& options,
              const sampling::SamplingLayout& layout)
      : state_(state), options_(options), layout_(layout), places_(learned_weights(layout)) {}

  /// [V_s, V_act, (V_s,w, V_w) by weight], then [p by block].
  std::vector<double> numbers() const override {
    const Window& window = *state_.window;
    if (s_is_new_) return mean_keep_ratios(layout_, norms_of(window.batches), {}, state_.ratios.s);
    const auto variances = window.gradients.variances();
    std::vector<double> numbers{std::accumulate(variances.begin(), variances.end(), 0.0),
                                mean_squared_error(window.batches)};
    for (const Place& place : places_) {
      const auto& weight = layout_.blocks[place.block].weights[place.weight];
      numbers.push_back(variances[static_cast<size_t>(weight.gradient)]);
      numbers.push_back(mean_row_variance(window.batches, place));
    }
    return numbers;
  }

  bool take(const std::vector<double>& means) override {
    if (s_is_new_) {
      average_sample_ratios(means);
      return false;
    }
    TORCH_CHECK(means.size() == 2 + 2 * places_.size(), "controller: expected sums of ",
                2 + 2 * places_.size(), " numbers, got ", means.size());
    move_s(means[0], means[1]);
    move_row_ratios(means.data() + 2);
    s_is_new_ = true;
    return true;
  }

 private:
  void move_s(double v_sgd, double v_act) {
    double& s = state_.ratios.s;
    const double excess = v_act - options_.act_var_tau * v_sgd;
    s = std::clamp(s + options_.s_update_step * sign(excess), options_.s_min, 1.0);
    state_.report = {v_sgd, v_act, 0, s};
  }

  /// @param variances (V_s,w, V_w) by weight.
  void move_row_ratios(const double* variances) {
    for (const Place& place : places_) {
      const double v_sgd = *variances++, v_w = *variances++;
      double& nu = state_.ratios.nu[place.block][place.weight];
      const bool above = v_w > options_.w_var_tau * v_sgd / place.uses;
      const double moved = above ? nu / options_.w_ratio_mul : nu * options_.w_ratio_mul;
      nu = std::clamp(moved, options_.row_keep_ratio_min, 1.0);
      state_.report.v_w += v_w;
    }
  }

  void average_sample_ratios(const std::vector<double>& measured) {
    auto& rho = state_.ratios.rho;
    TORCH_CHECK(measured.size() == rho.size(), "controller: expected sums of ", rho.size(), " numbers, got ",
                measured.size());
    const double decay = options_.act_sched_decay;
    for (size_t l = 0; l < rho.size(); ++l) {
      if (layout_.blocks[l].samples_activations) rho[l] = decay * rho[l] + (1 - decay) * measured[l];
    }
  }

  ControllerState& state_;
  const ControllerOptions& options_;
  const sampling::SamplingLayout& layout_;
  std::vector<Place> places_;
  bool s_is_new_ = false;
};

}  // namespace

std::unique_ptr<RatioSolver> paper_solver(ControllerState& state, const ControllerOptions& options,
                                          const sampling::SamplingLayout& layout) {
  return std::make_unique<PaperSolver>(state, options, layout);
}

std::vector<std::vector<double>> sampled_row_variance(const std::vector<TrialResult>& trials,
                                                      const WindowBatch& batch, const Ratios& ratios,
                                                      const sampling::SamplingLayout& layout) {
  std::vector<std::vector<double>> mean;
  for (const auto& block : layout.blocks) mean.emplace_back(block.weights.size(), 0);
  for (const auto& [block, w, uses] : learned_weights(layout)) {
    const int64_t samples = samples_of(batch.blocks[block]);
    const int64_t kept = sampling::count_from_ratio(ratios.rho[block], samples);
    for (const TrialResult& trial : trials) {
      const auto& [offsets, measured, squared_norms] = trial.statistics.blocks[block].weights[w];
      const int64_t available = sampling::available_rows(kept, samples, offsets.back());
      if (available == 0) continue;
      const at::Tensor scores = measured.to(at::kCPU, at::kDouble).contiguous();
      const double* begin = scores.const_data_ptr<double>();
      const RowVariance variance(std::vector<double>(begin, begin + scores.numel()));
      mean[block][w] += variance.at(sampling::count_from_ratio(ratios.nu[block][w], available)) /
                        static_cast<double>(trials.size());
    }
  }
  return mean;
}

}  // namespace vcas::control
