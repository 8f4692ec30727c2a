#include "vcas/training/method.h"

#include <ATen/ops/mul.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "training/controlled_parameters.h"
#include "vcas/sampling/distance.h"

namespace vcas::training {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

control::SamplingLayout sampling_layout(const std::vector<models::NamedParameter>& parameters,
                                        const std::vector<std::vector<models::SampledLinear>>& linears) {
  std::map<std::string, int64_t> gradient_indices;
  for (const size_t i : controlled_parameters(parameters)) {
    gradient_indices.emplace(parameters[i].name, static_cast<int64_t>(gradient_indices.size()));
  }
  control::SamplingLayout layout;
  for (const auto& block : linears) {
    auto& described = layout.blocks.emplace_back();
    for (const auto& linear : block) {
      const auto found = gradient_indices.find(linear.name);
      const bool trainable = found != gradient_indices.end();
      described.push_back(
          {linear.name, linear.one_row_per_sample, trainable ? found->second : int64_t{0}, trainable});
    }
  }
  return layout;
}

MicroBatchGradient ExactMethod::backward(const MicroBatch& batch, double loss_scale) {
  auto result = batch.pass->backward({.loss_scale = loss_scale});
  return {std::move(result.gradients), result.flops, 0};
}

VcasMethod::VcasMethod(const control::ControllerOptions& options,
                       const std::vector<models::NamedParameter>& parameters,
                       const std::vector<std::vector<models::SampledLinear>>& linears, uint64_t seed,
                       const std::optional<control::EncoderLayerCost>& cost)
    : layout_(sampling_layout(parameters, linears)),
      controlled_(controlled_parameters(parameters)),
      controller_(options, layout_, seed),
      // Policy solve replays the draws on the norms of the exact pass instead.
      wants_probe_stats_(options.policy == control::Policy::paper) {
  set_cost(cost);
}

void VcasMethod::set_cost(const std::optional<control::EncoderLayerCost>& cost) {
  gate_.reset();
  gated_.reset();
  if (cost) gate_.emplace(*cost, layout_);
}

std::optional<control::EncoderLayerCost> VcasMethod::cost() const {
  if (!gate_) return std::nullopt;
  return gate_->cost();
}

MicroBatchGradient VcasMethod::backward(const MicroBatch& batch, double loss_scale) {
  if (controller_.adapts(batch.number, batch.full_size)) return adapt(batch, loss_scale);
  auto plan = controller_.plan();
  if (gate_) {
    auto [worth, gated] = gate_->apply(std::move(plan), batch.offsets);
    plan = std::move(worth);
    gated_ = std::move(gated);
  }
  auto result = batch.pass->backward({.plan = std::move(plan), .loss_scale = loss_scale});
  return {std::move(result.gradients), result.flops, 0};
}

MicroBatchGradient VcasMethod::adapt(const MicroBatch& batch, double loss_scale) {
  gated_.reset();
  // Unscaled passes, so that the variances do not depend on gradient accumulation.
  auto exact = batch.pass->backward({.want_stats = true, .last_pass = false});
  const auto start = std::chrono::steady_clock::now();
  double flops = exact.flops;

  control::BatchObservation observation;
  observation.offsets = batch.offsets;
  observation.exact = std::move(exact.blocks);
  observation.exact_gradients = select(exact.gradients, controlled_);
  const auto plans = controller_.probe_plans(observation.exact);
  for (size_t i = 0; i < plans.size(); ++i) {
    auto probe = batch.pass->backward(
        {.plan = plans[i], .want_stats = wants_probe_stats_, .last_pass = i + 1 == plans.size()});
    flops += probe.flops;
    observation.sampled_squared_error.push_back(
        sampling::squared_distance(select(probe.gradients, controlled_), observation.exact_gradients));
    observation.sampled.push_back(std::move(probe.blocks));
  }
  adapted_ = controller_.observe(batch.number, observation) || adapted_;
  const double seconds = seconds_since(start);

  if (loss_scale != 1) {
    // Out of place: the controller may still hold the unscaled ones.
    for (auto& gradient : exact.gradients) gradient = gradient.mul(loss_scale);
  }
  return {std::move(exact.gradients), flops, seconds};
}

std::optional<SamplingStatus> VcasMethod::status() const {
  const auto plan = controller_.plan();
  const auto& options = controller_.options();
  SamplingStatus status{controller_.s(), plan.sample_keep_ratio, {}, std::nullopt, gated_};
  status.budgets = VarianceBudgets{options.act_var_tau, options.w_var_tau};
  for (size_t block = 0; block < plan.row_keep_ratio.size(); ++block) {
    for (size_t linear = 0; linear < plan.row_keep_ratio[block].size(); ++linear) {
      const auto& described = layout_.blocks[block][linear];
      if (described.trainable) status.row_keep_ratio[described.name] = plan.row_keep_ratio[block][linear];
    }
  }
  if (adapted_) status.last_adaptation = controller_.last_report();
  return status;
}

MethodState VcasMethod::state() const {
  return {{{"controller", controller_.state()},
           {"adapted", adapted_},
           {"cost", gate_ ? control::to_json(gate_->cost()) : nlohmann::json()}},
          controller_.state_tensors()};
}

void VcasMethod::load_state(const MethodState& state) {
  controller_.load_state(state.numbers.at("controller"), state.tensors);
  adapted_ = state.numbers.at("adapted").get<bool>();
  const auto& cost = state.numbers.at("cost");
  set_cost(cost.is_null() ? std::nullopt : std::optional(control::encoder_layer_cost_from_json(cost)));
}

}  // namespace vcas::training
