#include "control/paper.h"

#include <algorithm>
#include <numeric>

#include "control/row_variance.h"

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

double mean_row_variance(const std::vector<WindowBatch>& batches, size_t block, size_t linear) {
  double sum = 0;
  for (const WindowBatch& batch : batches) sum += batch.sampled_row_variance[block][linear];
  return sum / static_cast<double>(batches.size());
}

}  // namespace

std::vector<std::vector<double>> sampled_row_variance(
    const std::vector<std::vector<sampling::SamplingStats>>& passes, const WindowBatch& batch,
    const Ratios& ratios, const SamplingLayout& layout) {
  std::vector<std::vector<double>> mean;
  for (size_t l = 0; l < layout.blocks.size(); ++l) {
    mean.emplace_back(layout.blocks[l].size(), 0);
    const int64_t kept = sampling::count_from_ratio(ratios.rho[l], batch.samples());
    for (const auto& blocks : passes) {
      if (layout.blocks[l].empty()) break;
      const at::Tensor scores = blocks[l].row_scores.to(at::kCPU, at::kDouble).contiguous();
      for (size_t i = 0; i < layout.blocks[l].size(); ++i) {
        const auto& linear = layout.blocks[l][i];
        if (!linear.trainable) continue;
        const double* row = scores.const_data_ptr<double>() + static_cast<int64_t>(i) * scores.size(1);
        const int64_t rows = linear.one_row_per_sample ? batch.samples() : batch.rows();
        const int64_t count = sampling::count_from_ratio(ratios.nu[l][i], compact_rows(linear, batch, kept));
        mean[l][i] +=
            RowVariance(std::vector<double>(row, row + rows)).at(count) / static_cast<double>(passes.size());
      }
    }
  }
  return mean;
}

void adapt_as_published(ControllerState& state, const ControllerOptions& options,
                        const SamplingLayout& layout) {
  const Window& window = *state.window;
  const auto variances = window.gradients.variances();
  auto& [s, rho, nu] = state.ratios;
  state.report.v_sgd = std::accumulate(variances.begin(), variances.end(), 0.0);
  state.report.v_act = mean_squared_error(window.batches);
  state.report.v_w = 0;

  const double excess = state.report.v_act - options.act_var_tau * state.report.v_sgd;
  s = std::clamp(s + options.s_update_step * sign(excess), options.s_min, 1.0);
  state.report.s = s;
  const auto measured = mean_keep_ratios(norms_of(window.batches), {}, s);
  for (size_t l = 0; l < rho.size(); ++l) {
    rho[l] = options.act_sched_decay * rho[l] + (1 - options.act_sched_decay) * measured[l];
  }
  for (size_t l = 0; l < nu.size(); ++l) {
    for (size_t i = 0; i < nu[l].size(); ++i) {
      const auto& linear = layout.blocks[l][i];
      if (!linear.trainable) continue;
      const double v_w = mean_row_variance(window.batches, l, i);
      const bool above = v_w > options.w_var_tau * variances[static_cast<size_t>(linear.gradient_index)];
      const double moved = above ? nu[l][i] / options.w_ratio_mul : nu[l][i] * options.w_ratio_mul;
      nu[l][i] = std::clamp(moved, options.row_keep_ratio_min, 1.0);
      state.report.v_w += v_w;
    }
  }
}

}  // namespace vcas::control
