#pragma once

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

/// g = grad_scale·grad;  m ← β1 m + (1-β1) g;  v ← β2 v + (1-β2) g²;
/// param ← (1 - lr·weight_decay)·param - lr/(1-β1^step) · m / (sqrt(v)/sqrt(1-β2^step) + ε).
/// All arrays have `count` floats; grad is not changed. Source: Loshchilov, Hutter (ICLR 2019).
void adamw_step(const AdamWOptions& options, int64_t count, float* param, const float* grad, float* exp_avg,
                float* exp_avg_sq);

}  // namespace vcas::ops::kernels
