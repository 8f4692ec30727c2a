#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <iterator>
#include <memory>

#include "cli/commands.h"
#include "cli/train_flags.h"
#include "formats/console.h"
#include "training/run/metrics.h"
#include "training/run/signals.h"
#include "vcas/formats/error.h"

namespace vcas::cli {
namespace {

using formats::InputError;

struct TrainCommand {
  CommonOptions common;
  std::unique_ptr<tasks::TaskProgram> task;
  training::RunOptions options;
  FlagTable flags;
};

void add_probe_flags(FlagTable& flags, training::ProbeOptions& options) {
  flags.begin_group("Probe");
  flags.add("probe_steps", options.probe_steps, at_least(1), "micro-batches from one probe to the next");
  flags.add("probe_batches", options.probe_batches, between(2, 1000), "micro-batches that a probe looks at");
}

void add_flags(TrainCommand& command) {
  auto& flags = command.flags;
  auto& options = command.options;
  add_training_flags(flags, command.common, *command.task, options, [&] {
    flags.begin_group("Output");
    flags.add("output_dir", options.output_dir,
              "model, checkpoints, metrics.jsonl, TensorBoard events, summary.json", "DIR");
    flags.add("overwrite_output_dir", options.overwrite_output_dir, "replace the run that output_dir holds");
    flags.add("resume_from_checkpoint", options.resume_from_checkpoint,
              "a checkpoint's folder, or auto: the newest whole one of output_dir, or the start where there "
              "is none",
              "auto|DIR");
    flags.begin_group("Method");
    add_method_flag(flags, options.method);
    if (options.probe) add_probe_flags(flags, *options.probe);
  });
}

void require_consistent(const training::RunOptions& options, const tasks::TaskProgram& task) {
  require_consistent_training(options, task);
  if (!options.cost_table.empty() && (options.method.name != "vcas" || !options.benefit_gate)) {
    throw InputError("--cost_table: expected --method vcas with --benefit_gate true, got another");
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

void say_stopped(const training::RunResult& result, const std::vector<std::string>& arguments) {
  const char* signal = sigabbrev_np(result.signal);
  if (result.checkpoint.empty()) {
    formats::say(fmt::format("stopped by SIG{} before the first step", signal));
  } else {
    formats::say(fmt::format("stopped by SIG{} after step {}; saved {}\nresume with:\n  {}", signal,
                             result.summary.steps, result.checkpoint.string(), resume_command(arguments)));
  }
}

int run(TrainCommand& command, const CLI::App& parsed, const std::vector<std::string>& arguments) {
  command.flags.apply(parsed);
  command.options.config_file = command.flags.config_file();
  require_consistent(command.options, *command.task);
  set_threads(command.common.threads);
  const training::RunSignals signals;
  const auto result = command.task->train(command.options, signals.requests());
  if (result.signal != 0) {
    say_stopped(result, arguments);
    return 128 + result.signal;
  }
  fmt::print("{}\n", result.document.dump(2));
  return kExitDone;
}

Command add_command(CLI::App* parsed, bool probe, const std::vector<std::string>& arguments) {
  const auto command = std::make_shared<TrainCommand>();
  command->task = tasks::make_task_program(task_in(arguments));
  if (probe) command->options.probe.emplace();
  add_flags(*command);
  command->flags.attach(*parsed);
  return [command, parsed, arguments] { return run(*command, *parsed, arguments); };
}

}  // namespace

Command add_train_command(CLI::App& app, const std::vector<std::string>& arguments) {
  return add_command(
      app.add_subcommand("train", "Fine-tune a text classifier by VCAS, exactly, or by a baseline"),
      /*probe=*/false, arguments);
}

Command add_probe_command(CLI::App& app, const std::vector<std::string>& arguments) {
  return add_command(app.add_subcommand("probe",
                                        "Train as vcas train does, and write down what the gradients look "
                                        "like: norms, leverage scores, variances (probe.jsonl)"),
                     /*probe=*/true, arguments);
}

}  // namespace vcas::cli
