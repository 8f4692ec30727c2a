#include "vcas/control/options.h"

#include <c10/util/Exception.h>

namespace vcas::control {
namespace {

void check_range(const char* name, double value, double low, double high) {
  TORCH_CHECK(low <= value && value <= high, "controller: expected ", name, " in [", low, ", ", high,
              "], got ", value);
}

}  // namespace

void check(const ControllerOptions& options) {
  check_range("act_var_tau", options.act_var_tau, 0, 1);
  check_range("w_var_tau", options.w_var_tau, 0, 1);
  check_range("s_update_step", options.s_update_step, 0, 1);
  check_range("w_ratio_mul", options.w_ratio_mul, 1e-3, 1);
  check_range("act_sched_decay", options.act_sched_decay, 0, 1);
  check_range("s_min", options.s_min, 0, 1);
  check_range("row_keep_ratio_min", options.row_keep_ratio_min, 0, 1);
  // Draw numbers of a window's M² passes share 8 bits with the training pass.
  TORCH_CHECK(2 <= options.cal_var_m && options.cal_var_m <= 15,
              "controller: expected cal_var_m in [2, 15], got ", options.cal_var_m);
  TORCH_CHECK(options.cal_var_freq >= options.cal_var_m,
              "controller: expected cal_var_freq of at least cal_var_m = ", options.cal_var_m, ", got ",
              options.cal_var_freq);
  TORCH_CHECK(options.cal_var_freq <= kLargestInterval, "controller: expected cal_var_freq of at most ",
              kLargestInterval, ", got ", options.cal_var_freq);
  TORCH_CHECK(1 <= options.cal_var_stretch && options.cal_var_stretch <= kLargestStretch,
              "controller: expected cal_var_stretch in [1, ", kLargestStretch, "], got ",
              options.cal_var_stretch);
}

}  // namespace vcas::control
