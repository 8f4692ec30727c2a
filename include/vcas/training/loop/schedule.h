#pragma once

#include <cstdint>

#include "vcas/training/loop/options.h"

namespace vcas::training {

/// The learning rate as a function of the step, with warm-up: over w warm-up steps of n in all, step k
/// counted from 0,
///   k < w:     base · k / w
///   linear:    base · (n - k) / (n - w)
///   cosine:    base · (1 + cos(pi · (k - w) / (n - w))) / 2
///   constant, constant_with_warmup: base (constant has no warm-up)
/// It has no state: a resumed run needs the step alone.
/// Source: transformers.optimization, get_scheduler.
class Schedule {
 public:
  /// @param total_steps n ≥ 1.
  Schedule(const TrainOptions& options, int64_t total_steps);

  double learning_rate(int64_t step) const;
  int64_t warmup_steps() const { return warmup_steps_; }

 private:
  SchedulerType type_;
  double base_;
  int64_t total_steps_;
  int64_t warmup_steps_;
};

}  // namespace vcas::training
