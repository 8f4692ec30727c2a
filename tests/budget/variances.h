#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "vcas/sampling/plan.h"
#include "vcas/training/loop/options.h"
#include "vcas/training/loop/task.h"

/// Variances at fixed weights by brute force, over many batches and draws, apart from the controller's code.
namespace vcas::budget {

/// One weight that SampleW samples.
struct WeightVariance {
  std::string name;
  double keep_ratio = 1;  ///< nu
  double rows = 0;        ///< that its weight gradient is drawn from, mean over batches
  double sgd = 0;         ///< V_s,w
  double sampling = 0;    ///< V_w
};

struct Variances {
  double sgd = 0;               ///< V_s
  double activation = 0;        ///< V_act
  double activation_error = 0;  ///< standard error of V_act, from the means of the batches
  std::vector<WeightVariance> weights;
  /// ‖g_i‖² of the batches that V_s is from: a few that stand out make V_s a matter of chance.
  std::vector<double> squared_norms;
};

/// How much is measured.
struct Effort {
  int64_t sgd_batches = 64;
  int64_t activation_batches = 8;
  int64_t draws_per_batch = 8;
};

/// Measures at the model's present weights.
/// V_s   = 1/(B-1) Σ ‖g_i - ḡ‖² over B batches of training data, exact gradients of the parameters below the
///         topmost SampleA; V_s,w the same of one weight.
/// V_act = mean over batches and draws of ‖g_ij - g_i‖², SampleA alone.
/// V_w   = mean over the same passes of Σ (1-q_r)/q_r ŵ_r², ŵ_r the leverage scores of the rows that SampleA
///         kept, q_r from the count that the plan gives.
/// @param plan  what training uses at present. @param first number of the first micro-batch to use.
/// @param options  of training.
Variances measure(training::Task& task, const sampling::SamplingPlan& plan, int64_t first,
                  const training::TrainOptions& options, const Effort& effort);

}  // namespace vcas::budget
