#include "vcas/training/loop/adamw.h"

#include <ATen/ops/mul.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <utility>

#include "lazy_rows.h"
#include "ops/kernels/adamw.h"
#include "sampling/float_array.h"

namespace vcas::training {
namespace {

using sampling::is_float_array;

constexpr const char* kFirstMoment = "exp_avg.";
constexpr const char* kSecondMoment = "exp_avg_sq.";

void load_tensor(const nn::NamedTensors& state, const std::string& name, at::Tensor& target) {
  const auto found = state.find(name);
  TORCH_CHECK(found != state.end(), "AdamW: expected a tensor named ", name, ", got none");
  TORCH_CHECK(found->second.sizes() == target.sizes(), "AdamW: expected ", name, " of shape ", target.sizes(),
              ", got ", found->second.sizes());
  target.copy_(found->second);
}

/// The plain reference of ops::kernels::adamw_step, for tensors that it does not take.
void plain_adamw_step(const ops::kernels::AdamWOptions& options, const at::Tensor& weight,
                      const at::Tensor& unscaled, const at::Tensor& exp_avg, const at::Tensor& exp_avg_sq) {
  const double step_size = options.learning_rate / (1 - std::pow(options.beta1, options.step));
  const double second_moment_correction = std::sqrt(1 - std::pow(options.beta2, options.step));
  const at::Tensor gradient = options.grad_scale == 1 ? unscaled : unscaled.mul(options.grad_scale);
  weight.mul_(1 - options.learning_rate * options.weight_decay);
  exp_avg.lerp_(gradient, 1 - options.beta1);
  exp_avg_sq.mul_(options.beta2).addcmul_(gradient, gradient, 1 - options.beta2);
  const at::Tensor denominator = exp_avg_sq.sqrt().div_(second_moment_correction).add_(options.epsilon);
  weight.addcdiv_(exp_avg, denominator, -step_size);
}

}  // namespace

AdamW::AdamW(std::vector<nn::Parameter> parameters, AdamWOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const auto& parameter : parameters_) {
    exp_avg_.push_back(at::zeros_like(parameter.value.detach()));
    exp_avg_sq_.push_back(at::zeros_like(parameter.value.detach()));
  }
  lazy_rows_.resize(parameters_.size());
}

AdamW::~AdamW() = default;

void AdamW::step(const std::vector<at::Tensor>& gradients, double learning_rate, double gradient_scale) {
  TORCH_CHECK(gradients.size() == parameters_.size(), "AdamW: expected ", parameters_.size(),
              " gradients, got ", gradients.size());
  const c10::AutoGradMode no_grad(false);
  ++steps_;
  std::vector<ops::kernels::AdamWArrays> arrays;
  std::vector<at::Tensor> kept_alive;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const ops::kernels::AdamWOptions options{
        .learning_rate = learning_rate,
        .beta1 = options_.beta1,
        .beta2 = options_.beta2,
        .epsilon = options_.epsilon,
        .weight_decay = parameters_[i].traits.weight_decay ? options_.weight_decay : 0.0,
        .step = steps_,
        .grad_scale = gradient_scale};
    if (lazy_rows_[i] && gradients[i].is_sparse()) {
      lazy_rows_[i]->step(options, gradients[i]);
      continue;
    }
    if (lazy_rows_[i]) lazy_rows_[i]->catch_up_all();
    const at::Tensor weight = parameters_[i].value.detach();
    const at::Tensor gradient = gradients[i].is_sparse() ? gradients[i].to_dense() : gradients[i];
    if (!is_float_array(weight) || !is_float_array(gradient)) {
      plain_adamw_step(options, weight, gradient, exp_avg_[i], exp_avg_sq_[i]);
      continue;
    }
    kept_alive.push_back(gradient);
    arrays.push_back({ops::kernels::AdamWFactors(options), weight.numel(), weight.mutable_data_ptr<float>(),
                      gradient.const_data_ptr<float>(), exp_avg_[i].mutable_data_ptr<float>(),
                      exp_avg_sq_[i].mutable_data_ptr<float>()});
  }
  ops::kernels::adamw_step(arrays);
}

void AdamW::catch_up(size_t parameter, const at::Tensor& rows) {
  auto& lazy = lazy_rows_.at(parameter);
  if (!lazy) {
    const at::Tensor weight = parameters_[parameter].value.detach();
    if (!is_float_array(weight) || weight.dim() != 2) return;
    lazy = std::make_unique<LazyRows>(AdamWTensors{weight, exp_avg_[parameter], exp_avg_sq_[parameter]});
  }
  lazy->catch_up(rows);
}

void AdamW::catch_up() {
  for (auto& lazy : lazy_rows_) {
    if (lazy) lazy->catch_up_all();
  }
}

nn::NamedTensors AdamW::state() {
  catch_up();
  nn::NamedTensors state;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    state[kFirstMoment + parameters_[i].name] = exp_avg_[i];
    state[kSecondMoment + parameters_[i].name] = exp_avg_sq_[i];
  }
  return state;
}

void AdamW::load_state(const nn::NamedTensors& state, int64_t steps) {
  // Rows that wait would be given steps of the state that is replaced.
  for (auto& lazy : lazy_rows_) lazy.reset();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    load_tensor(state, kFirstMoment + parameters_[i].name, exp_avg_[i]);
    load_tensor(state, kSecondMoment + parameters_[i].name, exp_avg_sq_[i]);
  }
  steps_ = steps;
}

}  // namespace vcas::training
