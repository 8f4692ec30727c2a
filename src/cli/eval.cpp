#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/text_flags.h"
#include "vcas/formats/atomic_directory.h"
#include "vcas/formats/delimited.h"
#include "vcas/formats/error.h"
#include "vcas/training/text_classification.h"

namespace vcas::cli {
namespace {

using formats::TableFormat;

struct EvalCommand {
  CommonOptions common;
  training::TextDataOptions data;
  int64_t per_device_eval_batch_size = 8;
  std::filesystem::path predictions;
  FlagTable flags;
};

void add_flags(EvalCommand& command) {
  auto& flags = command.flags;
  flags.begin_group("Task and data");
  add_task_flag(flags, command.common);
  add_data_flags(flags, command.data, /*training=*/false);
  flags.begin_group("Evaluation");
  flags.add("per_device_eval_batch_size", command.per_device_eval_batch_size, at_least(1),
            "texts in a batch");
  flags.add("predictions", command.predictions,
            "write id, label and probabilities of every text: .csv, .tsv or .jsonl; id counts texts from 0");
  add_threads_flag(flags, command.common);
}

std::string quoted_field(const std::string& field, TableFormat format) {
  if (format == TableFormat::tsv || field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char c : field) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string prediction_header(const training::TextEvaluation& evaluation, TableFormat format) {
  const char separator = format == TableFormat::tsv ? '\t' : ',';
  std::string header = fmt::format("id{}label", separator);
  for (const auto& name : evaluation.label_names) {
    header += separator + quoted_field("probability_" + name, format);
  }
  return header + "\n";
}

std::string prediction_line(const training::TextEvaluation& evaluation, int64_t id, TableFormat format) {
  const auto& names = evaluation.label_names;
  const std::string& label =
      names[static_cast<size_t>(evaluation.predictions.classes[static_cast<size_t>(id)])];
  const float* probabilities =
      evaluation.predictions.probabilities.const_data_ptr<float>() + id * static_cast<int64_t>(names.size());
  if (format == TableFormat::jsonl) {
    nlohmann::ordered_json line = {
        {"id", id}, {"label", label}, {"probabilities", nlohmann::ordered_json::object()}};
    for (size_t k = 0; k < names.size(); ++k) line["probabilities"][names[k]] = probabilities[k];
    return line.dump() + "\n";
  }
  const char separator = format == TableFormat::tsv ? '\t' : ',';
  std::string line = fmt::format("{}{}{}", id, separator, quoted_field(label, format));
  for (size_t k = 0; k < names.size(); ++k) line += fmt::format("{}{}", separator, probabilities[k]);
  return line + "\n";
}

void write_predictions(const training::TextEvaluation& evaluation, const std::filesystem::path& path) {
  const TableFormat format = formats::table_format(path);
  std::string content = format == TableFormat::jsonl ? std::string() : prediction_header(evaluation, format);
  for (int64_t id = 0; id < evaluation.scores.examples; ++id)
    content += prediction_line(evaluation, id, format);
  formats::write_file_atomically(path, content);
}

void require_writable_predictions(const std::filesystem::path& path) {
  formats::table_format(path);
  require_existing_folder("--predictions", path);
}

int run(EvalCommand& command, const CLI::App& parsed) {
  command.flags.apply(parsed);
  require_data(command.data, /*training=*/false);
  if (!command.predictions.empty()) require_writable_predictions(command.predictions);
  set_threads(command.common.threads);
  const auto evaluation =
      training::evaluate_text_classifier(command.data, command.per_device_eval_batch_size);
  if (!command.predictions.empty()) write_predictions(evaluation, command.predictions);
  const auto& scores = evaluation.scores;
  const nlohmann::ordered_json result = {{"examples", scores.examples},
                                         {"loss", scores.loss},
                                         {"accuracy", scores.accuracy},
                                         {"macro_f1", scores.macro_f1},
                                         {"matthews", scores.matthews}};
  fmt::print("{}\n", result.dump(2));
  return kExitDone;
}

}  // namespace

Command add_eval_command(CLI::App& app) {
  auto* parsed = app.add_subcommand("eval", "Evaluate a fine-tuned classifier: accuracy, macro-F1, Matthews");
  const auto command = std::make_shared<EvalCommand>();
  add_flags(*command);
  command->flags.attach(*parsed);
  return [command, parsed] { return run(*command, *parsed); };
}

}  // namespace vcas::cli
