#include "cli/train_flags.h"

#include <fmt/format.h>

#include <utility>

#include "vcas/formats/error.h"

namespace vcas::cli {
namespace {

using formats::InputError;
using training::IntervalStrategy;
using training::SchedulerType;

const std::vector<std::pair<std::string, IntervalStrategy>> kIntervals = {
    {"no", IntervalStrategy::no}, {"steps", IntervalStrategy::steps}, {"epoch", IntervalStrategy::epoch}};

// Far beyond what anybody trains, and near enough that counts of them fit their types.
constexpr double kMostEpochs = 1e6;
constexpr double kMostSteps = 1e9;

void add_optimizer_flags(FlagTable& flags, training::TrainOptions& options) {
  flags.begin_group("Optimizer");
  flags.add("learning_rate", options.learning_rate, above(0), "AdamW's highest learning rate");
  flags.add("weight_decay", options.weight_decay, at_least(0), "decoupled; not on biases and LayerNorm");
  flags.add("adam_beta1", options.adam_beta1, from_to_below(0, 1), "decay of the first moment");
  flags.add("adam_beta2", options.adam_beta2, from_to_below(0, 1), "decay of the second moment");
  flags.add("adam_epsilon", options.adam_epsilon, above(0), "added to the square root of the second moment");
  flags.add("max_grad_norm", options.max_grad_norm, at_least(0), "clips the gradient's norm; 0: no clipping");
  flags.add_choice<SchedulerType>("lr_scheduler_type", options.lr_scheduler_type,
                                  {{"linear", SchedulerType::linear},
                                   {"cosine", SchedulerType::cosine},
                                   {"constant", SchedulerType::constant},
                                   {"constant_with_warmup", SchedulerType::constant_with_warmup}},
                                  "how the learning rate goes down");
  flags.add("warmup_steps", options.warmup_steps, at_least(0), "steps, or below 1 the share of all steps");
  flags.add("warmup_ratio", options.warmup_ratio, between(0, 1),
            "share of all steps, when warmup_steps is 0");
}

void add_loop_flags(FlagTable& flags, training::TrainOptions& options) {
  flags.begin_group("Training");
  flags.add("num_train_epochs", options.num_train_epochs, above_to(0, kMostEpochs),
            "passes over the training texts");
  flags.add("max_steps", options.max_steps, between(-1, kMostSteps),
            "optimizer steps; > 0 overrides num_train_epochs");
  flags.add("per_device_train_batch_size", options.per_device_train_batch_size, between(1, kMostTexts),
            "texts in a micro-batch");
  flags.add("per_device_eval_batch_size", options.per_device_eval_batch_size, between(1, kMostTexts),
            "texts in an evaluation batch");
  flags.add("gradient_accumulation_steps", options.gradient_accumulation_steps, between(1, kMostTexts),
            "micro-batches whose mean gradient makes a step");
  flags.add_choice<training::SamplingStrategy>(
      "train_sampling_strategy", options.train_sampling_strategy,
      {{"random", training::SamplingStrategy::random},
       {"group_by_length", training::SamplingStrategy::group_by_length}},
      "how examples are put into batches");
  flags.add("seed", options.seed, "of data order, dropout, sampling and a new head");
}

void add_reporting_flags(FlagTable& flags, training::TrainOptions& options) {
  flags.begin_group("Logging, evaluation, checkpoints");
  flags.add_choice("logging_strategy", options.logging_strategy, kIntervals,
                   "when a line goes to metrics.jsonl");
  flags.add("logging_steps", options.logging_steps, at_least(1), "steps from one line to the next");
  flags.add("logging_first_step", options.logging_first_step, "a line for the first step too");
  flags.add_choice("eval_strategy", options.eval_strategy, kIntervals,
                   "when to evaluate during training; at the end always");
  flags.add("eval_steps", options.eval_steps, at_least(1),
            "steps between evaluations; logging_steps when not given");
  flags.add_choice("save_strategy", options.save_strategy, kIntervals,
                   "when to write output_dir/checkpoint-N");
  flags.add("save_steps", options.save_steps, at_least(1), "steps from one checkpoint to the next");
  flags.add("save_total_limit", options.save_total_limit, at_least(1), "keep the newest ones only");
}

void add_sampling_flags(FlagTable& flags, control::ControllerOptions& options) {
  flags.begin_group("VCAS (--method vcas)");
  flags.add_choice<control::Policy>("controller", options.policy,
                                    {{"solve", control::Policy::solve}, {"paper", control::Policy::paper}},
                                    "solve for the ratios that the budget allows, or move as the paper does");
  flags.add("act_var_tau", options.act_var_tau, above_to(0, 1),
            "variance that sampling activations may add, as a share of SGD's own");
  flags.add("w_var_tau", options.w_var_tau, above_to(0, 1),
            "the same for sampling rows of each weight's gradient");
  flags.add("cal_var_freq", options.cal_var_freq, between(1, control::kLargestInterval),
            "micro-batches from one adaptation to the next");
  flags.add("cal_var_stretch", options.cal_var_stretch, between(1, control::kLargestStretch),
            "controller solve: adaptations may lie so many times as far apart while the ratios are steady");
  flags.add("cal_var_m", options.cal_var_m, between(2, 15),
            "batches of an adaptation, and sampled passes over each");
  flags.add_choice<sampling::DrawMethod>(
      "draw", options.draw_method,
      {{"fixed", sampling::DrawMethod::fixed}, {"bernoulli", sampling::DrawMethod::bernoulli}},
      "how many are kept: always the same number, or each independently");
  flags.add("s_update_step", options.s_update_step, above_to(0, 1),
            "controller paper: how far s moves at a time");
  flags.add("w_ratio_mul", options.w_ratio_mul, Range{0, 1, false, false},
            "controller paper: factor by which row keep ratios move");
  flags.add("act_sched_decay", options.act_sched_decay, from_to_below(0, 1),
            "controller paper: weight of the old sample keep ratios");
}

void add_baseline_flags(FlagTable& flags, training::MethodOptions& options) {
  flags.begin_group("Baselines (--method sb, --method ub)");
  flags.add("sb_beta", options.selective_backprop.beta, at_least(0),
            "sb: a text goes backward with probability (share of past losses that are at most its own)^beta");
  flags.add("sb_history_size", options.selective_backprop.history_size, at_least(1),
            "sb: past losses that a new one is compared with");
  flags.add("ub_keep_ratio", options.upper_bound.keep_ratio, above_to(0, 1), "ub: share of the texts kept");
}

void add_compute_flags(FlagTable& flags, CommonOptions& common, training::RunOptions& options) {
  flags.add(
      "bf16", options.train.bf16,
      "linears of the blocks multiply in bfloat16 and sum in float32; weights and all else stay float32");
  flags.add("gradient_checkpointing", options.train.gradient_checkpointing,
            "blocks keep only their input, and the backward pass computes the samples that it keeps once "
            "more: less memory, same result");
  flags.add("keep_zeros", options.train.keep_zeros,
            "weights of matrices that are 0 where training starts stay 0: for pruned models");
  add_threads_flag(flags, common);
}

void add_gate_flags(FlagTable& flags, training::RunOptions& options) {
  flags.add("benefit_gate", options.benefit_gate,
            "run exactly what costs more to sample than it saves, by the cost table; a resumed run goes on "
            "with its checkpoint's");
  flags.add(
      "cost_table", options.cost_table,
      "costs of this machine, as vcas calibrate writes them; without it, those that come with vcas, for the "
      "shapes that they hold");
}

}  // namespace

void add_training_flags(FlagTable& flags, CommonOptions& common, tasks::TaskProgram& task,
                        training::RunOptions& options, const std::function<void()>& add_output_flags) {
  flags.begin_group("Task and data");
  add_task_flag(flags, common);
  task.add_flags(flags, /*training=*/true);
  add_output_flags();
  add_compute_flags(flags, common, options);
  add_sampling_flags(flags, options.method.controller);
  add_gate_flags(flags, options);
  add_baseline_flags(flags, options.method);
  add_loop_flags(flags, options.train);
  add_optimizer_flags(flags, options.train);
  add_reporting_flags(flags, options.train);
}

void add_method_flag(FlagTable& flags, training::MethodOptions& options) {
  std::vector<std::pair<std::string, std::string>> choices;
  for (const auto& name : training::method_names()) choices.emplace_back(name, name);
  flags.add_choice<std::string>("method", options.name, choices,
                                "how gradients are made: by VCAS, exactly, by selective backprop, or by "
                                "importance sampling on an upper bound of the gradient norms");
}

void add_grid_output_flags(FlagTable& flags, training::RunOptions& options, const std::string& result_file) {
  flags.add("output_dir", options.output_dir,
            "a folder a run, and " + result_file + "; what lies there goes on, with more runs if asked for",
            "DIR");
  flags.add("overwrite_output_dir", options.overwrite_output_dir, "replace the runs that output_dir holds");
}

void require_consistent_training(const training::RunOptions& options, const tasks::TaskProgram& task) {
  task.require_flags(/*training=*/true);
  if (options.output_dir.empty()) throw InputError("--output_dir: expected a folder, got nothing");
  if (options.train.max_steps == 0) throw InputError("--max_steps: expected -1 or an integer >= 1, got '0'");
  if (options.train.eval_strategy != IntervalStrategy::no && !task.evaluates()) {
    throw InputError("--eval_strategy: expected no without --validation_file or --dataset, got another");
  }
  const auto& controller = options.method.controller;
  if (controller.cal_var_freq < controller.cal_var_m) {
    throw InputError("--cal_var_freq",
                     fmt::format("expected an integer >= --cal_var_m, which is {}, got '{}'",
                                 controller.cal_var_m, controller.cal_var_freq));
  }
}

}  // namespace vcas::cli
