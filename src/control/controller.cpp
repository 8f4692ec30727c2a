#include "control/controller.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "control/cadence.h"
#include "control/paper.h"
#include "control/solve.h"

namespace vcas::control {

VarianceController::VarianceController(const ControllerOptions& options, sampling::SamplingLayout layout,
                                       uint64_t seed)
    : options_(options), layout_(std::move(layout)), seed_(seed), state_(layout_) {
  check(options_);
  sampling::check(layout_);
}

sampling::SamplingPlan VarianceController::plan() const {
  const Ratios& ratios = state_.ratios;
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

bool VarianceController::adapts(int64_t micro_batch, bool full_size) const {
  return full_size && (state_.window || micro_batch >= state_.next_due);
}

std::vector<PassRequest> VarianceController::trial_passes(const sampling::PassStatistics& exact) const {
  const size_t batch = state_.window ? state_.window->batches.size() : 0;
  const auto passes = static_cast<size_t>(options_.cal_var_m);
  PassRequest request;
  // Policy solve replays the draws on the norms of the exact pass instead.
  request.statistics = options_.policy == Policy::paper;
  request.plan.sampled = true;
  request.plan.draw_method = options_.draw_method;
  request.plan.sample_keep_ratio = state_.ratios.rho;
  for (const auto& block : layout_.blocks) request.plan.row_keep_ratio.emplace_back(block.weights.size(), 1);
  std::vector<PassRequest> requests(passes, request);
  for (size_t j = 0; j < passes; ++j)
    requests[j].plan.draw_number = static_cast<int64_t>(1 + batch * passes + j);
  if (options_.policy == Policy::paper) return requests;

  // What training will keep: ratios averaged over batches, not the batch's own.
  auto norms = state_.window ? norms_of(state_.window->batches) : std::vector<std::vector<at::Tensor>>{};
  auto& present = norms.emplace_back();
  for (const auto& block : exact.blocks) present.push_back(block.sample_norms);
  const auto positions = trial_positions(state_, options_, batch);
  for (size_t j = 0; j < passes; ++j) {
    requests[j].plan.sample_keep_ratio = mean_keep_ratios(layout_, norms, state_.past_norms, positions[j]);
  }
  return requests;
}

void VarianceController::observe(int64_t micro_batch, const Observation& observation) {
  TORCH_CHECK(!observed_,
              "controller: expected statistics() and solve() until there is nothing to solve, got "
              "another observation");
  check_observation(observation, layout_, options_);
  WindowBatch batch = window_batch(observation, layout_, options_.policy);
  observed_ = Observed{.micro_batch = micro_batch, .finite = is_finite(observation, batch)};
  if (observed_->finite) add_to_window(micro_batch, observation, std::move(batch));
}

void VarianceController::add_to_window(int64_t micro_batch, const Observation& observation,
                                       WindowBatch batch) {
  if (!state_.window) state_.window = Window{.start = micro_batch, .gradients = {}, .batches = {}};
  state_.window->gradients.add(observation.gradients);
  if (options_.policy == Policy::paper)
    batch.sampled_row_variance = sampled_row_variance(observation.trials, batch, state_.ratios, layout_);
  state_.window->batches.push_back(std::move(batch));
}

/// First [ranks, ranks whose micro-batch was not finite]; of a complete window then the solver's rounds.
std::optional<std::vector<double>> VarianceController::statistics() const {
  if (!observed_) return std::nullopt;
  if (observed_->solver) return observed_->solver->numbers();
  return std::vector<double>{1, observed_->finite ? 0.0 : 1.0};
}

bool VarianceController::solve(const std::vector<double>& sums) {
  TORCH_CHECK(observed_, "controller: expected an observation before solve()");
  if (observed_->solver) {
    auto means = sums;
    for (double& value : means) value /= observed_->ranks;
    if (observed_->solver->take(means)) return false;
    close_window();
    return true;
  }
  TORCH_CHECK(sums.size() == 2 && sums[0] >= 1, "controller: expected sums of statistics() over ranks, got ",
              sums.size(), " numbers");
  if (sums[1] > 0) state_.window.reset();
  if (!state_.window || static_cast<int64_t>(state_.window->batches.size()) < options_.cal_var_m) {
    observed_.reset();
    return false;
  }
  observed_->ranks = sums[0];
  const sampling::StreamKey stream{.seed = seed_,
                                   .micro_batch = static_cast<uint32_t>(observed_->micro_batch)};
  observed_->solver = options_.policy == Policy::paper ? paper_solver(state_, options_, layout_)
                                                       : solve_solver(state_, options_, layout_, stream);
  observed_->kept_work = kept_work(state_.ratios);
  return false;
}

void VarianceController::close_window() {
  ++state_.adaptations;
  state_.interval = next_interval(state_, options_, observed_->kept_work);
  state_.next_due = state_.window->start + state_.interval;
  state_.window.reset();
  observed_.reset();
}

nlohmann::json VarianceController::state() const {
  TORCH_CHECK(!observed_, "controller: expected its state between micro-batches, got one that is not solved");
  return numbers_of(state_, layout_, options_.policy);
}

std::vector<at::Tensor> VarianceController::state_tensors() const { return tensors_of(state_); }

void VarianceController::load_state(const nlohmann::json& state, const std::vector<at::Tensor>& tensors) {
  state_ = state_from(state, tensors, layout_, options_.policy);
  observed_.reset();
}

}  // namespace vcas::control
