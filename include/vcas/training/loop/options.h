#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "vcas/ops/compute_options.h"

namespace vcas::training {

/// When something recurs during training.
enum class IntervalStrategy { no, steps, epoch };

/// How the learning rate moves (schedule.h).
enum class SchedulerType { linear, cosine, constant, constant_with_warmup };

/// How examples are put into batches.
enum class SamplingStrategy { random, group_by_length };

/// What the training loop needs to know, whatever the task and the method. Names and defaults are those of
/// Hugging Face's TrainingArguments.
struct TrainOptions {
  double learning_rate = 5e-5;
  double weight_decay = 0.0;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_epsilon = 1e-8;
  double max_grad_norm = 1.0;  ///< 0: gradients are not clipped

  double num_train_epochs = 3.0;
  int64_t max_steps = -1;  ///< positive: takes precedence over num_train_epochs
  SchedulerType lr_scheduler_type = SchedulerType::linear;
  double warmup_steps = 0;  ///< from 1: steps; below 1: share of all steps
  double warmup_ratio = 0;  ///< share of all steps; read when warmup_steps is 0

  int64_t per_device_train_batch_size = 8;
  int64_t per_device_eval_batch_size = 8;
  int64_t gradient_accumulation_steps = 1;
  SamplingStrategy train_sampling_strategy = SamplingStrategy::random;

  IntervalStrategy logging_strategy = IntervalStrategy::steps;
  int64_t logging_steps = 500;
  bool logging_first_step = false;
  IntervalStrategy eval_strategy = IntervalStrategy::no;
  std::optional<int64_t> eval_steps;  ///< logging_steps when not given
  IntervalStrategy save_strategy = IntervalStrategy::steps;
  int64_t save_steps = 500;
  std::optional<int64_t> save_total_limit;  ///< older checkpoints are removed

  uint64_t seed = 42;
  bool bf16 = false;                    ///< products of the blocks' linears read bfloat16 (ops::Precision)
  bool gradient_checkpointing = false;  ///< blocks keep only their input (ops::ComputeOptions::recompute)
  bool keep_zeros = false;              ///< weights that start at zero stay there (ZeroMasks)
  ops::ComputeOptions compute() const {
    return {bf16 ? ops::Precision::bfloat16 : ops::Precision::float32, gradient_checkpointing};
  }
};

}  // namespace vcas::training
