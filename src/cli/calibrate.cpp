#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "formats/atomic_directory.h"
#include "formats/leftovers.h"
#include "formats/path_type.h"
#include "vcas/formats/error.h"
#include "vcas/models/hugging_face/model_directory.h"
#include "vcas/training/methods/calibration.h"

namespace vcas::cli {
namespace {

using formats::InputError;

struct CalibrateCommand {
  CommonOptions common;
  std::filesystem::path model_name_or_path;
  std::filesystem::path output;
  bool bf16 = false;
  double seconds = 20;
  FlagTable flags;
};

void add_flags(CalibrateCommand& command) {
  auto& flags = command.flags;
  flags.begin_group("Calibration");
  flags.add("model_name_or_path", command.model_name_or_path, "Hugging Face folder whose blocks are measured",
            "DIR");
  flags.add("output", command.output, "cost table to write, or to add this model's entry to: .json");
  flags.add("bf16", command.bf16, "measure products in bfloat16");
  flags.add("seconds", command.seconds, above(0), "about how long");
  add_threads_flag(flags, command.common);
}

int run(CalibrateCommand& command, const CLI::App& parsed) {
  command.flags.apply(parsed);
  if (command.model_name_or_path.empty())
    throw InputError("--model_name_or_path: expected a folder, got nothing");
  if (command.output.empty()) throw InputError("--output: expected a file, got nothing");
  tasks::require_writable_file("--output", command.output, {command.model_name_or_path});
  control::CostTable table;
  if (formats::exists(command.output)) table = training::read_cost_table(command.output);
  set_threads(command.common.threads);
  const auto precision = command.bf16 ? ops::Precision::bfloat16 : ops::Precision::float32;
  const auto config = models::hugging_face::read_model_directory(command.model_name_or_path).bert_config();
  const auto cost = training::measure_transformer_cost(
      config.hidden_size, config.intermediate_size, config.num_attention_heads, precision, command.seconds);
  table.set(cost);
  formats::sweep_leftovers_of(command.output);
  formats::write_file_atomically(command.output, table.to_json().dump(2) + "\n");
  fmt::print("{}\n", control::to_json(control::BlockCosts{cost}).front().dump(2));
  return kExitDone;
}

}  // namespace

Command add_calibrate_command(CLI::App& app) {
  auto* parsed = app.add_subcommand("calibrate", "Measure what sampling costs and saves on this machine");
  const auto command = std::make_shared<CalibrateCommand>();
  add_flags(*command);
  command->flags.attach(*parsed);
  return [command, parsed] { return run(*command, *parsed); };
}

}  // namespace vcas::cli
