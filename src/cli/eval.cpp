#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/common_flags.h"

namespace vcas::cli {
namespace {

struct EvalCommand {
  CommonOptions common;
  std::unique_ptr<tasks::TaskProgram> task;
  int64_t per_device_eval_batch_size = 8;
  std::filesystem::path predictions;
  FlagTable flags;
};

void add_flags(EvalCommand& command) {
  auto& flags = command.flags;
  flags.begin_group("Task and data");
  add_task_flag(flags, command.common);
  command.task->add_flags(flags, /*training=*/false);
  flags.begin_group("Evaluation");
  flags.add("per_device_eval_batch_size", command.per_device_eval_batch_size, between(1, kMostTexts),
            "examples in a batch");
  flags.add(
      "predictions", command.predictions,
      "write id, label and probabilities of every text: .csv, .tsv, .jsonl or .json; id counts texts from 0");
  add_threads_flag(flags, command.common);
}

int run(EvalCommand& command, const CLI::App& parsed) {
  command.flags.apply(parsed);
  command.task->require_flags(/*training=*/false);
  set_threads(command.common.threads);
  const auto evaluation =
      command.task->evaluate(/*model=*/{}, command.per_device_eval_batch_size, command.predictions,
                             /*stop_requested=*/[] { return false; });
  nlohmann::ordered_json result = {{"examples", evaluation.examples}};
  for (const auto& metric : evaluation.metrics) result[metric.name] = metric.value;
  fmt::print("{}\n", result.dump(2));
  return kExitDone;
}

}  // namespace

Command add_eval_command(CLI::App& app, const std::vector<std::string>& arguments) {
  auto* parsed = app.add_subcommand("eval", "Evaluate a fine-tuned classifier: accuracy, macro-F1, Matthews");
  const auto command = std::make_shared<EvalCommand>();
  command->task = tasks::make_task_program(task_in(arguments));
  add_flags(*command);
  command->flags.attach(*parsed);
  return [command, parsed] { return run(*command, *parsed); };
}

}  // namespace vcas::cli
