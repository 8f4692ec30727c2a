#include "vcas/control/sampler.h"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "control/controller.h"

namespace vcas::control {
namespace {

/// Of a saved state. 1 (without this key) had one cost for all blocks and one table of scores a block.
constexpr int64_t kVersion = 2;

void check_version(const nlohmann::json& state) {
  TORCH_CHECK(state.is_object(), "sampler state: expected an object, got ", state.type_name());
  const auto version = state.find("version");
  TORCH_CHECK(version != state.end() && *version == kVersion, "sampler state: expected version ", kVersion,
              ", got ", version == state.end() ? "none (written by an earlier vcas)" : version->dump());
}

BlockCosts saved_costs(const nlohmann::json& state) {
  try {
    return block_costs_from_json(state.at("costs"));
  } catch (const std::invalid_argument& error) {
    TORCH_CHECK(false, "sampler state: ", error.what());
  } catch (const nlohmann::json::exception& error) {
    TORCH_CHECK(false, "sampler state: ", error.what());
  }
}

}  // namespace

Sampler::Sampler(const ControllerOptions& options, sampling::SamplingLayout layout, uint64_t seed,
                 BlockCosts costs)
    : layout_(std::move(layout)),
      controller_(std::make_unique<VarianceController>(options, layout_, seed)),
      gate_(layout_, std::move(costs)) {}

Sampler::~Sampler() = default;
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler& Sampler::operator=(Sampler&&) noexcept = default;

bool Sampler::measures(const MicroBatchInfo& info) const {
  return controller_->adapts(info.number, info.full_size);
}

sampling::SamplingPlan Sampler::plan(const std::vector<sampling::BlockRows>& rows) {
  gated_.reset();
  if (!gate_.knows_costs()) return controller_->plan();
  auto [plan, gated] = gate_.apply(controller_->plan(), rows);
  gated_ = std::move(gated);
  return std::move(plan);
}

sampling::SamplingPlan Sampler::ungated_plan() const { return controller_->plan(); }

PassRequest Sampler::exact_pass() const { return {.plan = {}, .statistics = true}; }

std::vector<PassRequest> Sampler::trial_passes(const sampling::PassStatistics& exact) const {
  return controller_->trial_passes(exact);
}

void Sampler::observe(const MicroBatchInfo& info, const Observation& observation) {
  gated_.reset();
  controller_->observe(info.number, observation);
}

std::optional<std::vector<double>> Sampler::statistics() const { return controller_->statistics(); }

bool Sampler::solve(const std::vector<double>& sums) { return controller_->solve(sums); }

SamplerStatus Sampler::status() const {
  const auto plan = controller_->plan();
  const auto& options = controller_->options();
  SamplerStatus status;
  status.s = controller_->s();
  status.sample_keep_ratio = plan.sample_keep_ratio;
  for (size_t l = 0; l < layout_.blocks.size(); ++l) {
    for (size_t w = 0; w < layout_.blocks[l].weights.size(); ++w) {
      const auto& weight = layout_.blocks[l].weights[w];
      if (weight.trainable) status.row_keep_ratio[weight.name] = plan.row_keep_ratio[l][w];
    }
  }
  if (controller_->adaptations() > 0) status.last_adaptation = controller_->last_report();
  status.gated = gated_;
  status.budgets = {options.act_var_tau, options.w_var_tau};
  return status;
}

nlohmann::json Sampler::state() const {
  return {{"version", kVersion}, {"controller", controller_->state()}, {"costs", to_json(gate_.costs())}};
}

std::vector<at::Tensor> Sampler::state_tensors() const { return controller_->state_tensors(); }

void Sampler::load_state(const nlohmann::json& state, const std::vector<at::Tensor>& tensors) {
  check_version(state);
  BenefitGate gate(layout_, saved_costs(state));
  TORCH_CHECK(state.contains("controller"), "sampler state: expected the key 'controller'");
  controller_->load_state(state["controller"], tensors);
  gate_ = std::move(gate);
  gated_.reset();
}

}  // namespace vcas::control
