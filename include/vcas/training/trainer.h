#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <vector>

#include "vcas/training/adamw.h"
#include "vcas/training/history.h"
#include "vcas/training/method.h"
#include "vcas/training/options.h"
#include "vcas/training/schedule.h"
#include "vcas/training/task.h"
#include "vcas/training/zero_masks.h"

namespace vcas::training {

/// A loss or gradient that is not a number: the message names step and batch. The model is as the step before
/// left it, once updates are finished (finish_updates()).
class NonFiniteError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What a trainer needs to go on after a restart.
struct TrainerState {
  nlohmann::json numbers;
  NamedTensors optimizer;
  NamedTensors tensors;  ///< the method's
};

/// Trains a task's model by a method, step by step. It writes nothing to disk (run.h does) and draws no
/// random number that is not keyed by the seed and the micro-batch, so that a step is a function of state and
/// position.
class Trainer {
 public:
  /// Both must outlive the trainer.
  /// @throws std::invalid_argument naming an option that is out of range, or a task without micro-batches.
  Trainer(const TrainOptions& options, Task& task, Method& method);

  /// One optimizer step: forward and backward over gradient_accumulation_steps micro-batches (the last step
  /// of an epoch takes what is left), whose mean gradient is clipped and applied.
  /// @throws NonFiniteError.
  StepReport step();

  /// To be called before the model's weights are read outside step(): rows of parameters with sparse
  /// gradients may wait for their updates (Task::rows_read).
  void finish_updates();

  int64_t steps_done() const { return steps_done_; }
  int64_t total_steps() const { return total_steps_; }
  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  /// Epochs done, as a fraction.
  double epoch() const;

  /// Finishes updates first.
  TrainerState state();
  /// Takes everything but the model's tensors, which are restored before. @throws c10::Error naming what does
  /// not fit.
  void load_state(const TrainerState& state);

 private:
  std::vector<MicroBatchPosition> next_positions() const;
  void accumulate(std::vector<at::Tensor> gradients);
  void update(StepReport& report, const std::vector<MicroBatchPosition>& positions);
  void require_finite(double value, const char* what, const MicroBatchPosition& position) const;

  TrainOptions options_;
  Task& task_;
  Method& method_;
  int64_t steps_per_epoch_;
  int64_t total_steps_;
  Schedule schedule_;
  AdamW optimizer_;
  std::optional<ZeroMasks> zero_masks_;
  std::vector<at::Tensor> gradients_;  ///< sum over the step's micro-batches
  bool owns_gradients_ =
      false;  ///< false: gradients_ may be shared with the method and must not be written to
  int64_t steps_done_ = 0;
};

}  // namespace vcas::training
