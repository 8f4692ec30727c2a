#include "vcas/training/loop/history.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "nn/host_values.h"

namespace vcas::training {
namespace {

constexpr int64_t kMinimumTrainLossSteps = 20;
constexpr const char* kLosses = "history.loss";
constexpr const char* kSeconds = "history.seconds";

double mean_of_last(const std::vector<double>& values, int64_t count) {
  const auto used = std::min<int64_t>(count, static_cast<int64_t>(values.size()));
  if (used == 0) return 0;
  return std::accumulate(values.end() - used, values.end(), 0.0) / static_cast<double>(used);
}

std::vector<double> values_of(const nn::NamedTensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  TORCH_CHECK(found != tensors.end(), "checkpoint: expected a tensor named ", name, ", got none");
  return nn::to_vector<double>(found->second);
}

}  // namespace

double quantile(const std::vector<double>& ascending, double share) {
  const double position = share * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, ascending.size() - 1);
  return std::lerp(ascending[below], ascending[above], position - static_cast<double>(below));
}

Percentiles percentiles(std::vector<double> values) {
  TORCH_CHECK(!values.empty(), "percentiles: expected at least one value, got none");
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.5), quantile(values, 0.1), quantile(values, 0.9)};
}

void RunHistory::add(const StepReport& step) {
  losses_.push_back(step.loss);
  seconds_.push_back(step.seconds);
  adaptation_seconds_ += step.adaptation_seconds;
  flops_.exact += step.flops.exact;
  flops_.performed += step.flops.performed;
  clipped_steps_ += step.clipped ? 1 : 0;
}

double RunHistory::train_loss() const {
  const auto tenth = static_cast<int64_t>(std::ceil(0.1 * static_cast<double>(losses_.size())));
  return mean_loss(std::max(kMinimumTrainLossSteps, tenth));
}

double RunHistory::mean_loss(int64_t count) const { return mean_of_last(losses_, count); }

double RunHistory::mean_seconds(int64_t count) const { return mean_of_last(seconds_, count); }

double RunHistory::train_seconds() const { return std::accumulate(seconds_.begin(), seconds_.end(), 0.0); }

Percentiles RunHistory::step_milliseconds() const {
  if (seconds_.empty()) return {};
  const auto [median, p10, p90] = percentiles(seconds_);
  return {1000 * median, 1000 * p10, 1000 * p90};
}

double RunHistory::clipped_fraction() const {
  return losses_.empty() ? 0 : static_cast<double>(clipped_steps_) / static_cast<double>(losses_.size());
}

nlohmann::json RunHistory::numbers() const {
  return {{"adaptation_seconds", adaptation_seconds_},
          {"flops_exact", flops_.exact},
          {"flops_performed", flops_.performed},
          {"clipped_steps", clipped_steps_}};
}

nn::NamedTensors RunHistory::tensors() const {
  return {{kLosses, nn::to_tensor(losses_)}, {kSeconds, nn::to_tensor(seconds_)}};
}

void RunHistory::load(const nlohmann::json& numbers, const nn::NamedTensors& tensors) {
  losses_ = values_of(tensors, kLosses);
  seconds_ = values_of(tensors, kSeconds);
  adaptation_seconds_ = numbers.at("adaptation_seconds").get<double>();
  flops_ = {numbers.at("flops_exact").get<double>(), numbers.at("flops_performed").get<double>()};
  clipped_steps_ = numbers.at("clipped_steps").get<int64_t>();
}

}  // namespace vcas::training
