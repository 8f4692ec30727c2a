#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/run_grid.h"
#include "cli/train_flags.h"
#include "vcas/formats/error.h"

namespace vcas::cli {
namespace {

using formats::InputError;

/// Flags that take several values, separated by commas.
const std::vector<std::string> kSwept = {"act_var_tau",
                                         "w_var_tau",
                                         "cal_var_freq",
                                         "cal_var_stretch",
                                         "cal_var_m",
                                         "s_update_step",
                                         "w_ratio_mul",
                                         "act_sched_decay",
                                         "controller",
                                         "draw",
                                         "per_device_train_batch_size"};

struct SweepCommand {
  CommonOptions common;
  std::unique_ptr<tasks::TaskProgram> task;
  training::RunOptions options;
  int64_t seeds = 1;
  bool with_exact = true;
  FlagTable flags;
};

void add_flags(SweepCommand& command) {
  auto& flags = command.flags;
  add_training_flags(flags, command.common, *command.task, command.options, [&] {
    flags.begin_group("Sweep");
    flags.add("seeds", command.seeds, between(1, 1000), "runs of each combination, from --seed on");
    flags.add("with_exact", command.with_exact, "train exactly too, to compare with");
    add_grid_output_flags(flags, command.options, "sweep.json");
  });
  for (const auto& name : kSwept) flags.allow_list(name);
}

/// Values of the flags that were given several, by name.
using Axes = std::vector<std::pair<std::string, std::vector<std::string>>>;

Axes axes_of(const FlagTable& flags) {
  Axes axes;
  for (const auto& name : kSwept) {
    const auto given = flags.effective().find(name);
    if (given == flags.effective().end()) continue;
    auto values = tasks::split_list(given->second);
    if (values.size() > 1) axes.emplace_back(name, std::move(values));
  }
  if (!axes.empty()) return axes;
  throw InputError(fmt::format("expected several values, separated by commas, of at least one of --{}",
                               fmt::join(kSwept, ", --")));
}

/// Every combination of the values; training with another batch is another task for exact training too.
std::vector<Variant> variants_of(const Axes& axes, bool with_exact) {
  std::vector<Variant> combinations = {{"", {{"method", "vcas"}}}};
  for (const auto& [name, values] : axes) {
    std::vector<Variant> longer;
    for (const auto& combination : combinations) {
      for (const auto& value : values) {
        Variant variant = combination;
        variant.name += fmt::format("{}{}={}", variant.name.empty() ? "" : ",", name, value);
        variant.flags[name] = value;
        longer.push_back(std::move(variant));
      }
    }
    combinations = std::move(longer);
  }
  if (with_exact) combinations.insert(combinations.begin(), {"exact", {{"method", "exact"}}});
  return combinations;
}

int run(SweepCommand& command, const CLI::App& parsed) {
  command.flags.apply(parsed);
  command.options.config_file = command.flags.config_file();
  require_consistent_training(command.options, *command.task);
  const auto axes = axes_of(command.flags);
  std::set<std::string> own_flags = {"seeds", "with_exact", "output_dir", "overwrite_output_dir"};
  for (const auto& [name, values] : axes) {
    own_flags.insert(name);
    if (name == "per_device_train_batch_size" && command.with_exact) {
      throw InputError("--per_device_train_batch_size",
                       "expected one value with --with_exact true: runs of another batch are no pairs");
    }
  }
  set_threads(command.common.threads);
  return run_grid({command.options, *command.task, command.seeds, variants_of(axes, command.with_exact),
                   own_flags, "sweep.json"},
                  command.flags);
}

}  // namespace

Command add_sweep_command(CLI::App& app, const std::vector<std::string>& arguments) {
  auto* parsed = app.add_subcommand("sweep", "Train by VCAS with every combination of several settings");
  const auto command = std::make_shared<SweepCommand>();
  command->task = tasks::make_task_program(task_in(arguments));
  add_flags(*command);
  command->flags.attach(*parsed);
  return [command, parsed] { return run(*command, *parsed); };
}

}  // namespace vcas::cli
