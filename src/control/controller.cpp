#include "vcas/control/controller.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "control/cadence.h"
#include "control/paper.h"
#include "control/solve.h"
#include "control/state.h"

namespace vcas::control {
namespace {

void check_range(const char* name, double value, double low, double high) {
  TORCH_CHECK(low <= value && value <= high, "controller: expected ", name, " in [", low, ", ", high,
              "], got ", value);
}

void check_options(const ControllerOptions& options) {
  check_range("act_var_tau", options.act_var_tau, 0, 1);
  check_range("w_var_tau", options.w_var_tau, 0, 1);
  check_range("s_update_step", options.s_update_step, 0, 1);
  check_range("w_ratio_mul", options.w_ratio_mul, 1e-3, 1);
  check_range("act_sched_decay", options.act_sched_decay, 0, 1);
  check_range("s_min", options.s_min, 0, 1);
  check_range("row_keep_ratio_min", options.row_keep_ratio_min, 0, 1);
  // Draw numbers of a window's M² passes share 8 bits with the training pass.
  TORCH_CHECK(2 <= options.cal_var_m && options.cal_var_m <= 15,
              "controller: expected cal_var_m in [2, 15], got ", options.cal_var_m);
  TORCH_CHECK(options.cal_var_freq >= options.cal_var_m,
              "controller: expected cal_var_freq of at least cal_var_m = ", options.cal_var_m, ", got ",
              options.cal_var_freq);
  TORCH_CHECK(options.cal_var_freq <= kLargestInterval, "controller: expected cal_var_freq of at most ",
              kLargestInterval, ", got ", options.cal_var_freq);
  TORCH_CHECK(1 <= options.cal_var_stretch && options.cal_var_stretch <= kLargestStretch,
              "controller: expected cal_var_stretch in [1, ", kLargestStretch, "], got ",
              options.cal_var_stretch);
}

}  // namespace

VarianceController::VarianceController(const ControllerOptions& options, SamplingLayout layout, uint64_t seed)
    : options_(options), layout_(std::move(layout)), seed_(seed) {
  check_options(options_);
  TORCH_CHECK(!layout_.blocks.empty(), "controller: expected at least one block, got none");
  state_ = std::make_unique<ControllerState>(layout_);
}

VarianceController::~VarianceController() = default;
VarianceController::VarianceController(VarianceController&&) noexcept = default;
VarianceController& VarianceController::operator=(VarianceController&&) noexcept = default;

sampling::SamplingPlan VarianceController::plan() const {
  const Ratios& ratios = state_->ratios;
  const auto below_one = [](double ratio) { return ratio < 1; };
  sampling::SamplingPlan plan;
  plan.draw_method = options_.draw_method;
  plan.sample_keep_ratio = ratios.rho;
  plan.row_keep_ratio = ratios.nu;
  plan.sampled = std::any_of(ratios.rho.begin(), ratios.rho.end(), below_one) ||
                 std::any_of(ratios.nu.begin(), ratios.nu.end(), [&](const auto& block) {
                   return std::any_of(block.begin(), block.end(), below_one);
                 });
  return plan;
}

double VarianceController::s() const { return state_->ratios.s; }

bool VarianceController::adapts(int64_t micro_batch, bool full_size) const {
  return full_size && (state_->window || micro_batch >= state_->next_due);
}

std::vector<sampling::SamplingPlan> VarianceController::probe_plans(
    const std::vector<sampling::SamplingStats>& exact) const {
  const size_t batch = state_->window ? state_->window->batches.size() : 0;
  const auto passes = static_cast<size_t>(options_.cal_var_m);
  sampling::SamplingPlan plan;
  plan.sampled = true;
  plan.draw_method = options_.draw_method;
  plan.sample_keep_ratio = state_->ratios.rho;
  for (const auto& block : layout_.blocks) plan.row_keep_ratio.emplace_back(block.size(), 1);
  std::vector<sampling::SamplingPlan> plans(passes, plan);
  for (size_t j = 0; j < passes; ++j) plans[j].draw_number = static_cast<int64_t>(1 + batch * passes + j);
  if (options_.policy == Policy::paper) return plans;

  // What training will keep: ratios averaged over batches, not the batch's own.
  auto norms = state_->window ? norms_of(state_->window->batches) : std::vector<std::vector<at::Tensor>>{};
  auto& present = norms.emplace_back();
  for (const sampling::SamplingStats& stats : exact) present.push_back(stats.sample_norms);
  const auto positions = probe_positions(*state_, options_, batch);
  for (size_t j = 0; j < passes; ++j)
    plans[j].sample_keep_ratio = mean_keep_ratios(norms, state_->past_norms, positions[j]);
  return plans;
}

bool VarianceController::observe(int64_t micro_batch, const BatchObservation& observation) {
  check_observation(observation, layout_, options_.policy, options_.cal_var_m);
  WindowBatch observed = window_batch(observation);
  if (!is_finite(observation, observed)) {
    state_->window.reset();
    return false;
  }
  if (!state_->window) state_->window = Window{.start = micro_batch, .gradients = {}, .batches = {}};
  Window& window = *state_->window;
  window.gradients.add(observation.exact_gradients);
  WindowBatch& batch = window.batches.emplace_back(std::move(observed));
  if (options_.policy == Policy::paper) {
    batch.sampled_row_variance = sampled_row_variance(observation.sampled, batch, state_->ratios, layout_);
  }
  if (static_cast<int64_t>(window.batches.size()) < options_.cal_var_m) return false;

  const double kept_before = kept_work(state_->ratios);
  if (options_.policy == Policy::paper) {
    adapt_as_published(*state_, options_, layout_);
  } else {
    solve_ratios(*state_, options_, layout_,
                 {.seed = seed_, .micro_batch = static_cast<uint32_t>(micro_batch)});
  }
  ++state_->adaptations;
  state_->interval = next_interval(*state_, options_, kept_before);
  state_->next_due = window.start + state_->interval;
  state_->window.reset();
  return true;
}

const AdaptationReport& VarianceController::last_report() const { return state_->report; }

nlohmann::json VarianceController::state() const { return numbers_of(*state_, layout_, options_.policy); }

std::vector<at::Tensor> VarianceController::state_tensors() const { return tensors_of(*state_); }

void VarianceController::load_state(const nlohmann::json& state, const std::vector<at::Tensor>& tensors) {
  *state_ = state_from(state, tensors, layout_, options_.policy);
}

}  // namespace vcas::control
