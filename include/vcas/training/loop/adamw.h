#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "vcas/nn/parameter.h"
#include "vcas/training/loop/optimizer.h"

namespace vcas::training {

class LazyRows;

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;  ///< of parameters with ParameterTraits::weight_decay
};

/// Adam with decoupled weight decay. At step t, with gradient g and learning rate a:
///   w ← w·(1 - a·decay)
///   m ← beta1·m + (1 - beta1)·g,   v ← beta2·v + (1 - beta2)·g²
///   w ← w - a / (1 - beta1^t) · m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
/// Source: Loshchilov and Hutter, arXiv 1711.05101; torch.optim.AdamW.
///
/// A gradient may be sparse COO, coalesced and with one sparse dimension, the same as a dense one with zeros
/// elsewhere. Rows of a parameter whose reads are announced by catch_up() are updated lazily, with the bits
/// of the dense update: float32 on the CPU, two dimensions; others are updated in each step.
class AdamW final : public Optimizer {
 public:
  AdamW(std::vector<nn::Parameter> parameters, AdamWOptions options);
  ~AdamW() override;

  void step(const std::vector<at::Tensor>& gradients, double learning_rate,
            double gradient_scale = 1.0) override;
  void catch_up(size_t parameter, const at::Tensor& rows) override;
  void catch_up() override;
  int64_t steps() const override { return steps_; }
  /// The moments: "exp_avg.NAME" and "exp_avg_sq.NAME".
  nn::NamedTensors state() override;
  void load_state(const nn::NamedTensors& state, int64_t steps) override;

 private:
  std::vector<nn::Parameter> parameters_;
  AdamWOptions options_;
  std::vector<at::Tensor> exp_avg_;
  std::vector<at::Tensor> exp_avg_sq_;
  std::vector<std::unique_ptr<LazyRows>> lazy_rows_;  ///< by parameter; null: updated in each step
  int64_t steps_ = 0;
};

}  // namespace vcas::training
