#pragma once

#include <cmath>
#include <cstdint>

namespace vcas::ops::kernels {

/// Numbers of one AdamW step, as torch.optim.AdamW defines them (decoupled weight decay, bias correction).
struct AdamWOptions {
  double learning_rate = 5e-5;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  int64_t step = 1;         ///< of this update, from 1
  double grad_scale = 1.0;  ///< the gradient is multiplied by it on reading: clipping, unscaling
};

/// The factors of one step, worked out in float64 as torch.optim.AdamW does.
struct AdamWFactors {
  explicit AdamWFactors(const AdamWOptions& options)
      : grad_scale(static_cast<float>(options.grad_scale)),
        keep1(static_cast<float>(options.beta1)),
        take1(static_cast<float>(1.0 - options.beta1)),
        keep2(static_cast<float>(options.beta2)),
        take2(static_cast<float>(1.0 - options.beta2)),
        decay(static_cast<float>(1.0 - options.learning_rate * options.weight_decay)),
        epsilon(static_cast<float>(options.epsilon)) {
    const double step = static_cast<double>(options.step);
    step_size = static_cast<float>(options.learning_rate / (1.0 - std::pow(options.beta1, step)));
    root_correction = static_cast<float>(std::sqrt(1.0 - std::pow(options.beta2, step)));
  }

  float grad_scale, keep1, take1, keep2, take2, decay, epsilon;
  float step_size;        ///< lr/(1-β1^step)
  float root_correction;  ///< sqrt(1-β2^step)
};

}  // namespace vcas::ops::kernels
