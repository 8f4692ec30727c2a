#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <iterator>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/text_flags.h"
#include "vcas/formats/error.h"
#include "vcas/training/metrics.h"
#include "vcas/training/signals.h"
#include "vcas/training/text_classification.h"

namespace vcas::cli {
namespace {

using formats::InputError;
using training::IntervalStrategy;
using training::SchedulerType;

struct TrainCommand {
  CommonOptions common;
  training::TextTrainingOptions options;
  FlagTable flags;
};

const std::vector<std::pair<std::string, IntervalStrategy>> kIntervals = {
    {"no", IntervalStrategy::no}, {"steps", IntervalStrategy::steps}, {"epoch", IntervalStrategy::epoch}};

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
  flags.add("num_train_epochs", options.num_train_epochs, above(0), "passes over the training texts");
  flags.add("max_steps", options.max_steps, at_least(-1), "optimizer steps; > 0 overrides num_train_epochs");
  flags.add("per_device_train_batch_size", options.per_device_train_batch_size, at_least(1),
            "texts in a micro-batch");
  flags.add("per_device_eval_batch_size", options.per_device_eval_batch_size, at_least(1),
            "texts in an evaluation batch");
  flags.add("gradient_accumulation_steps", options.gradient_accumulation_steps, at_least(1),
            "micro-batches whose mean gradient makes a step");
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
  flags.add("act_var_tau", options.act_var_tau, above(0),
            "variance that sampling activations may add, as a share of SGD's own");
  flags.add("w_var_tau", options.w_var_tau, above(0), "the same for sampling rows of each weight's gradient");
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

void add_flags(TrainCommand& command) {
  auto& [common, options, flags] = command;
  flags.begin_group("Task and data");
  add_task_flag(flags, common);
  add_data_flags(flags, options.data, /*training=*/true);
  flags.begin_group("Output");
  flags.add("output_dir", options.output_dir,
            "model, checkpoints, metrics.jsonl, TensorBoard events, summary.json", "DIR");
  flags.add("overwrite_output_dir", options.overwrite_output_dir, "replace the run that output_dir holds");
  flags.add("resume_from_checkpoint", options.resume_from_checkpoint,
            "a checkpoint's folder, or auto: the newest whole one of output_dir", "auto|DIR");
  flags.begin_group("Method");
  flags.add_choice<std::string>("method", options.method, {{"vcas", "vcas"}, {"exact", "exact"}},
                                "how gradients are made", {"sb", "ub"});
  flags.add(
      "bf16", options.train.bf16,
      "linears of the blocks multiply in bfloat16 and sum in float32; weights and all else stay float32");
  flags.add("gradient_checkpointing", options.train.gradient_checkpointing,
            "blocks keep only their input, and the backward pass computes the samples that it keeps once "
            "more: less memory, same result");
  add_threads_flag(flags, common);
  add_sampling_flags(flags, options.controller);
  flags.add("benefit_gate", options.benefit_gate,
            "run exactly what costs more to sample than it saves, by the cost table; a resumed run goes on "
            "with its checkpoint's");
  flags.add(
      "cost_table", options.cost_table,
      "costs of this machine, as vcas calibrate writes them; without it, those that come with vcas, for the "
      "shapes that they hold");
  add_loop_flags(flags, options.train);
  add_optimizer_flags(flags, options.train);
  add_reporting_flags(flags, options.train);
}

void require_consistent(const TrainCommand& command) {
  const auto& options = command.options;
  require_data(options.data, /*training=*/true);
  if (options.output_dir.empty()) throw InputError("--output_dir: expected a folder, got nothing");
  if (!options.cost_table.empty() && (options.method != "vcas" || !options.benefit_gate)) {
    throw InputError("--cost_table: expected --method vcas with --benefit_gate true, got another");
  }
  if (options.train.max_steps == 0) throw InputError("--max_steps: expected -1 or an integer >= 1, got '0'");
  const bool evaluates = !options.data.dataset.empty() || !options.data.validation_file.empty();
  if (options.train.eval_strategy != IntervalStrategy::no && !evaluates) {
    throw InputError("--eval_strategy: expected no without --validation_file or --dataset, got another");
  }
}

std::string shell_quoted(const std::string& argument) {
  const auto plain =
      argument.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%");
  if (plain == std::string::npos && !argument.empty()) return argument;
  std::string quoted = "'";
  for (const char c : argument) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// The command line that goes on where this one stopped.
std::string resume_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> kept;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const bool resumes = arguments[i].starts_with("--resume_from_checkpoint");
    const bool overwrites = arguments[i].starts_with("--overwrite_output_dir");
    if (!resumes && !overwrites) {
      kept.push_back(shell_quoted(arguments[i]));
      continue;
    }
    const bool value_follows = arguments[i].find('=') == std::string::npos && i + 1 < arguments.size() &&
                               !arguments[i + 1].starts_with('-');
    if (value_follows) ++i;
  }
  return fmt::format("{} --resume_from_checkpoint auto", fmt::join(kept, " "));
}

int run(TrainCommand& command, const CLI::App& parsed, const std::vector<std::string>& arguments) {
  command.flags.apply(parsed);
  require_consistent(command);
  set_threads(command.common.threads);
  const training::StopSignals signals;
  const auto result = training::train_text_classifier(command.options, [&] { return signals.received(); });
  if (result.signal == 0) {
    fmt::print("{}\n", training::to_json(result.summary).dump(2));
    return kExitDone;
  }
  if (result.checkpoint.empty()) {
    fmt::print(stderr, "vcas: stopped by SIG{} before the first step\n", sigabbrev_np(result.signal));
  } else {
    fmt::print(stderr, "vcas: stopped by SIG{} after step {}; saved {}\nresume with:\n  {}\n",
               sigabbrev_np(result.signal), result.summary.steps, result.checkpoint.string(),
               resume_command(arguments));
  }
  return 128 + result.signal;
}

}  // namespace

Command add_train_command(CLI::App& app, const std::vector<std::string>& arguments) {
  auto* parsed = app.add_subcommand("train", "Fine-tune a text classifier, exactly or by VCAS");
  const auto command = std::make_shared<TrainCommand>();
  add_flags(*command);
  command->flags.attach(*parsed);
  return [command, parsed, arguments] { return run(*command, *parsed, arguments); };
}

}  // namespace vcas::cli
