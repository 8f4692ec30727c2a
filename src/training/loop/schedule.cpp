#include "vcas/training/loop/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vcas::training {
namespace {

int64_t count_warmup_steps(const TrainOptions& options, int64_t total_steps) {
  if (options.lr_scheduler_type == SchedulerType::constant) return 0;
  if (options.warmup_steps >= 1) return static_cast<int64_t>(options.warmup_steps);
  const double ratio = options.warmup_steps > 0 ? options.warmup_steps : options.warmup_ratio;
  return static_cast<int64_t>(std::ceil(static_cast<double>(total_steps) * ratio));
}

}  // namespace

Schedule::Schedule(const TrainOptions& options, int64_t total_steps)
    : type_(options.lr_scheduler_type),
      base_(options.learning_rate),
      total_steps_(total_steps),
      warmup_steps_(count_warmup_steps(options, total_steps)) {}

double Schedule::learning_rate(int64_t step) const {
  if (step < warmup_steps_) return base_ * static_cast<double>(step) / static_cast<double>(warmup_steps_);
  if (type_ == SchedulerType::constant || type_ == SchedulerType::constant_with_warmup) return base_;
  const double decay_steps = static_cast<double>(std::max<int64_t>(1, total_steps_ - warmup_steps_));
  if (type_ == SchedulerType::linear) {
    return base_ * std::max(0.0, static_cast<double>(total_steps_ - step) / decay_steps);
  }
  const double progress = std::min(1.0, static_cast<double>(step - warmup_steps_) / decay_steps);
  return base_ * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

}  // namespace vcas::training
