#pragma once

#include <cstdint>

#include "vcas/sampling/plan.h"

namespace vcas::control {

enum class Policy { paper, solve };

/// Beyond any run, and small enough that micro-batch numbers do not overflow.
inline constexpr int64_t kLargestInterval = 1'000'000'000'000;
inline constexpr int64_t kLargestStretch = 1'000'000;

/// Defaults are the paper's (ALGORITHM.md, "Variance control").
struct ControllerOptions {
  Policy policy = Policy::solve;
  sampling::DrawMethod draw_method = sampling::DrawMethod::fixed;
  double act_var_tau = 0.025;    ///< tau_act
  double w_var_tau = 0.025;      ///< tau_w
  int64_t cal_var_freq = 100;    ///< F, micro-batches from one adaptation to the next
  int64_t cal_var_stretch = 8;   ///< how many F, at most, while ratios are steady; policy solve
  int64_t cal_var_m = 2;         ///< M, batches of an adaptation and trial passes over each
  double s_update_step = 0.01;   ///< alpha, policy paper
  double w_ratio_mul = 0.95;     ///< beta, policy paper
  double act_sched_decay = 0.6;  ///< weight of the old rho, policy paper
  double s_min = 0.3;
  double row_keep_ratio_min = 0.02;  ///< nu_min
};

/// @throws c10::Error "controller: expected cal_var_m in [2, 15], got 1".
void check(const ControllerOptions& options);

}  // namespace vcas::control
