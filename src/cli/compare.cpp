#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/run_grid.h"
#include "cli/train_flags.h"
#include "vcas/formats/error.h"

namespace vcas::cli {
namespace {

using formats::InputError;

struct CompareCommand {
  CommonOptions common;
  std::unique_ptr<tasks::TaskProgram> task;
  training::RunOptions options;
  std::string methods = "exact,vcas";
  int64_t seeds = 3;
  FlagTable flags;
};

void add_flags(CompareCommand& command) {
  auto& flags = command.flags;
  add_training_flags(flags, command.common, *command.task, command.options, [&] {
    flags.begin_group("Comparison");
    flags.add("methods", command.methods, "separated by commas: exact, vcas, sb, ub", "LIST");
    flags.add("seeds", command.seeds, between(1, 1000), "runs of each method, from --seed on");
    add_grid_output_flags(flags, command.options, "compare.json");
  });
}

std::vector<Variant> variants_of(const std::string& methods) {
  std::vector<Variant> variants;
  for (const auto& name : tasks::split_list(methods)) {
    const auto& known = training::method_names();
    if (std::find(known.begin(), known.end(), name) == known.end())
      tasks::refuse_name("--methods", name, known);
    const bool repeated =
        std::any_of(variants.begin(), variants.end(), [&](const auto& v) { return v.name == name; });
    if (repeated)
      throw InputError("--methods", fmt::format("expected each method once, got '{}' twice", name));
    variants.push_back({name, {{"method", name}}});
  }
  return variants;
}

int run(CompareCommand& command, const CLI::App& parsed) {
  command.flags.apply(parsed);
  command.options.config_file = command.flags.config_file();
  require_consistent_training(command.options, *command.task);
  set_threads(command.common.threads);
  return run_grid({command.options,
                   *command.task,
                   command.seeds,
                   variants_of(command.methods),
                   {"methods", "seeds", "output_dir", "overwrite_output_dir"},
                   "compare.json"},
                  command.flags);
}

}  // namespace

Command add_compare_command(CLI::App& app, const std::vector<std::string>& arguments) {
  auto* parsed = app.add_subcommand("compare", "Train by several methods and seeds, and compare the results");
  const auto command = std::make_shared<CompareCommand>();
  command->task = tasks::make_task_program(task_in(arguments));
  add_flags(*command);
  command->flags.attach(*parsed);
  return [command, parsed] { return run(*command, *parsed); };
}

}  // namespace vcas::cli
