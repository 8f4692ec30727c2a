#include "vcas/training/adamw.h"

#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace vcas::training {
namespace {

constexpr const char* kFirstMoment = "exp_avg.";
constexpr const char* kSecondMoment = "exp_avg_sq.";

void load_tensor(const std::map<std::string, at::Tensor>& state, const std::string& name, at::Tensor& target) {
  const auto found = state.find(name);
  TORCH_CHECK(found != state.end(), "AdamW: expected a tensor named ", name, ", got none");
  TORCH_CHECK(found->second.sizes() == target.sizes(), "AdamW: expected ", name, " of shape ", target.sizes(),
              ", got ", found->second.sizes());
  target.copy_(found->second);
}

}  // namespace

AdamW::AdamW(std::vector<models::NamedParameter> parameters, AdamWOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const auto& parameter : parameters_) {
    exp_avg_.push_back(at::zeros_like(parameter.value.detach()));
    exp_avg_sq_.push_back(at::zeros_like(parameter.value.detach()));
  }
}

void AdamW::step(const std::vector<at::Tensor>& gradients, double learning_rate, double gradient_scale) {
  TORCH_CHECK(gradients.size() == parameters_.size(), "AdamW: expected ", parameters_.size(), " gradients, got ",
              gradients.size());
  const c10::AutoGradMode no_grad(false);
  ++steps_;
  const double step_size = learning_rate / (1 - std::pow(options_.beta1, steps_));
  const double second_moment_correction = std::sqrt(1 - std::pow(options_.beta2, steps_));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor weight = parameters_[i].value.detach();
    const at::Tensor gradient = gradient_scale == 1 ? gradients[i] : gradients[i].mul(gradient_scale);
    if (parameters_[i].weight_decay && options_.weight_decay != 0) {
      weight.mul_(1 - learning_rate * options_.weight_decay);
    }
    exp_avg_[i].lerp_(gradient, 1 - options_.beta1);
    exp_avg_sq_[i].mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
    const at::Tensor denominator = exp_avg_sq_[i].sqrt().div_(second_moment_correction).add_(options_.epsilon);
    weight.addcdiv_(exp_avg_[i], denominator, -step_size);
  }
}

std::map<std::string, at::Tensor> AdamW::state() const {
  std::map<std::string, at::Tensor> state;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    state[kFirstMoment + parameters_[i].name] = exp_avg_[i];
    state[kSecondMoment + parameters_[i].name] = exp_avg_sq_[i];
  }
  return state;
}

void AdamW::load_state(const std::map<std::string, at::Tensor>& state, int64_t steps) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    load_tensor(state, kFirstMoment + parameters_[i].name, exp_avg_[i]);
    load_tensor(state, kSecondMoment + parameters_[i].name, exp_avg_sq_[i]);
  }
  steps_ = steps;
}

double global_norm(const std::vector<at::Tensor>& gradients) {
  double sum = 0;
  for (const auto& gradient : gradients) {
    const double norm =
        at::linalg_vector_norm(gradient, 2, std::nullopt, /*keepdim=*/false, at::kDouble).item<double>();
    sum += norm * norm;
  }
  return std::sqrt(sum);
}

double clipping_coefficient(double norm, double max_norm) {
  if (max_norm == 0) return 1;
  return std::min(1.0, max_norm / (norm + 1e-6));
}

}  // namespace vcas::training
