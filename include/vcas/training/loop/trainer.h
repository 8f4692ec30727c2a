#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "vcas/training/loop/batch_source.h"
#include "vcas/training/loop/history.h"
#include "vcas/training/loop/method.h"
#include "vcas/training/loop/optimizer.h"
#include "vcas/training/loop/options.h"
#include "vcas/training/loop/schedule.h"
#include "vcas/training/loop/task.h"
#include "vcas/training/loop/zero_masks.h"

namespace vcas::training {

/// A loss or gradient that is not a number: the message names step, batch, and the weight or gradient that is
/// not finite, if one is. The model is as the step before left it, once updates are finished
/// (finish_updates()).
class NonFiniteError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What a trainer needs to go on after a restart.
struct TrainerState {
  nlohmann::json numbers;
  nn::NamedTensors optimizer;
  nn::NamedTensors tensors;  ///< the method's
};

/// Trains a task's model by a method, step by step. It writes nothing to disk (run.h does) and draws no
/// random number that is not keyed by the seed and the micro-batch, so that a step is a function of state and
/// position.
class Trainer {
 public:
  /// Task and method must outlive the trainer.
  /// @param optimizer made for the model's trainable_parameters(). Null: AdamW with the options' values.
  /// @throws std::invalid_argument naming an option that is out of range, or a task without micro-batches.
  Trainer(const TrainOptions& options, Task& task, Method& method,
          std::unique_ptr<Optimizer> optimizer = nullptr);

  /// One optimizer step: forward and backward over gradient_accumulation_steps micro-batches (the last step
  /// of an epoch takes what is left), whose mean gradient is clipped and applied.
  /// @throws NonFiniteError.
  StepReport step();

  /// To be called before the model's weights are read outside step(): rows of parameters with sparse
  /// gradients may wait for their updates (nn::Model::rows_read).
  void finish_updates();
  /// To be called before the model is kept: an optimizer step may have made a weight infinite.
  /// @throws NonFiniteError naming the weight.
  void require_finite_weights();

  int64_t steps_done() const { return steps_done_; }
  int64_t total_steps() const { return total_steps_; }
  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  int64_t micro_batches_per_epoch() const { return source_.batches_per_epoch(); }
  /// Epochs done, as a fraction.
  double epoch() const;

  /// Finishes updates first.
  TrainerState state();
  /// Takes everything but the model's tensors, which are restored before. @throws c10::Error naming what does
  /// not fit.
  void load_state(const TrainerState& state);

 private:
  /// The micro-batches of an optimizer step.
  std::vector<MicroBatchPosition> positions_of(int64_t step) const;
  /// One micro-batch of a step, forward and backward.
  void run(const std::vector<MicroBatchPosition>& positions, size_t index, StepReport& report);
  void accumulate(std::vector<at::Tensor> gradients);
  void update(StepReport& report);
  /// @throws NonFiniteError naming the examples of the last micro-batch.
  void require_finite(double value, const char* what) const;
  /// "; not finite: weight ..." or "; not finite: gradient of ...", or nothing.
  std::string first_not_finite() const;

  TrainOptions options_;
  Task& task_;
  Method& method_;
  BatchSource source_;
  int64_t steps_per_epoch_;
  int64_t total_steps_;
  Schedule schedule_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<ZeroMasks> zero_masks_;
  std::vector<at::Tensor> gradients_;  ///< sum over the step's micro-batches
  bool owns_gradients_ =
      false;                ///< false: gradients_ may be shared with the method and must not be written to
  std::string last_batch_;  ///< place and examples of the last micro-batch, for messages
  int64_t steps_done_ = 0;
};

}  // namespace vcas::training
