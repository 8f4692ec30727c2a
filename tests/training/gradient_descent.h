#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "vcas/training/loop/optimizer.h"

namespace vcas::training::testing {

/// Gradient descent: all that another optimizer must write.
class GradientDescent final : public Optimizer {
 public:
  explicit GradientDescent(std::vector<nn::Parameter> parameters) : parameters_(std::move(parameters)) {}

  void step(const std::vector<at::Tensor>& gradients, double learning_rate, double gradient_scale) override {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < gradients.size(); ++i)
      parameters_[i].value.sub_(gradients[i], learning_rate * gradient_scale);
    ++steps_;
  }
  void catch_up(size_t /*parameter*/, const at::Tensor& /*rows*/) override {}
  void catch_up() override {}
  int64_t steps() const override { return steps_; }
  nn::NamedTensors state() override { return {}; }
  void load_state(const nn::NamedTensors& /*state*/, int64_t steps) override { steps_ = steps; }

 private:
  std::vector<nn::Parameter> parameters_;
  int64_t steps_ = 0;
};

}  // namespace vcas::training::testing
