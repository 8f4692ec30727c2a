#include "vcas/training/methods/vcas.h"

#include <ATen/ops/mul.h>

#include <chrono>
#include <utility>

#include "sampling/distance.h"

namespace vcas::training {

VcasMethod::VcasMethod(const control::ControllerOptions& options, const nn::Model& model, uint64_t seed,
                       control::BlockCosts costs, SumOverRanks sum)
    : controlled_(nn::controlled_parameters(model.trainable_parameters())),
      sampler_(options, model.layout(), seed, std::move(costs)),
      sum_(std::move(sum)) {
  if (!sum_) sum_ = [](std::vector<double> numbers) { return numbers; };
}

MicroBatchGradient VcasMethod::backward(MicroBatch& batch, double loss_scale) {
  if (sampler_.measures(batch.info)) return adapt(batch, loss_scale);
  auto result = batch.pass.backward({.plan = sampler_.plan(batch.pass.rows()), .loss_scale = loss_scale});
  return {std::move(result.gradients), result.flops, 0};
}

MicroBatchGradient VcasMethod::adapt(MicroBatch& batch, double loss_scale) {
  // Unscaled passes, so that the variances do not depend on gradient accumulation.
  auto request = sampler_.exact_pass();
  auto exact = batch.pass.backward(
      {.plan = std::move(request.plan), .want_statistics = request.statistics, .last_pass = false});
  const auto start = std::chrono::steady_clock::now();
  double flops = exact.flops;

  control::Observation observation{std::move(exact.statistics), nn::select(exact.gradients, controlled_), {}};
  auto trials = sampler_.trial_passes(observation.exact);
  for (size_t i = 0; i < trials.size(); ++i) {
    auto trial = batch.pass.backward({.plan = std::move(trials[i].plan),
                                      .want_statistics = trials[i].statistics,
                                      .last_pass = i + 1 == trials.size()});
    flops += trial.flops;
    const auto gradients = nn::select(trial.gradients, controlled_);
    observation.trials.push_back(
        {sampling::squared_distance(gradients, observation.gradients), std::move(trial.statistics)});
  }
  sampler_.observe(batch.info, observation);
  while (auto numbers = sampler_.statistics()) sampler_.solve(sum_(std::move(*numbers)));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  if (loss_scale != 1) {
    // Out of place: the sampler may still hold the unscaled ones.
    for (auto& gradient : exact.gradients) gradient = gradient.mul(loss_scale);
  }
  return {std::move(exact.gradients), flops, seconds};
}

std::map<std::string, nlohmann::json> VcasMethod::documents() const {
  control::CostTable table;
  bool any = false;
  for (const auto& cost : sampler_.costs()) {
    if (!cost) continue;
    table.set(*cost);
    any = true;
  }
  if (!any) return {};
  return {{"cost_table.json", table.to_json()}};
}

std::optional<SamplingStatus> VcasMethod::status() const {
  auto present = sampler_.status();
  return SamplingStatus{present.s,
                        std::move(present.sample_keep_ratio),
                        std::move(present.row_keep_ratio),
                        present.last_adaptation,
                        std::move(present.gated),
                        present.budgets};
}

MethodState VcasMethod::state() const { return {sampler_.state(), sampler_.state_tensors()}; }

void VcasMethod::load_state(const MethodState& state) { sampler_.load_state(state.numbers, state.tensors); }

}  // namespace vcas::training
