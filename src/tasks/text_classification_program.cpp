#include "tasks/text_classification_program.h"

#include <fmt/format.h>

#include <utility>

#include "formats/delimited.h"
#include "vcas/formats/error.h"

namespace vcas::tasks {

using formats::InputError;

const std::string& TextClassificationProgram::name() const {
  static const std::string name = "text-classification";
  return name;
}

void TextClassificationProgram::add_flags(FlagTable& flags, bool training) {
  flags.add("model_name_or_path", options_.model_name_or_path,
            "folder of a Hugging Face model: config.json, model.safetensors, tokenizer.json or vocab.txt",
            "DIR");
  if (training) {
    flags.add("ignore_mismatched_sizes", options_.ignore_mismatched_sizes,
              "draw tensors of another shape in the model's files anew, such as the head of other classes");
    flags.add("train_file", options_.train_file,
              "texts to learn from: .csv, .tsv, .jsonl or .json with named columns");
  }
  flags.add("validation_file", options_.validation_file, "held-out texts, same columns");
  std::vector<std::pair<std::string, std::string>> datasets;
  for (const auto& dataset : builtin_text_datasets()) datasets.emplace_back(dataset, dataset);
  flags.add_choice("dataset", options_.dataset, datasets, "built-in data instead of files",
                   {"fashion-mnist"});
  flags.add("text_column", options_.columns.text, "column of the text");
  flags.add("text_pair_column", options_.columns.text_pair, "column of the second text, for pairs");
  flags.add("label_column", options_.columns.label, "column of the class, an integer or a name");
  const std::vector<std::pair<std::string, std::optional<bool>>> quoting = {
      {"auto", std::nullopt}, {"quoted", true}, {"raw", false}};
  flags.add_choice(
      "quoting", options_.columns.quoted, quoting,
      "of .csv and .tsv: whether quotes enclose fields; auto: in .csv, and in .tsv if all of them do");
  if (training) {
    const std::vector<std::pair<std::string, std::string>> types = {
        {"single_label_classification", "single_label_classification"}};
    flags.add_choice("problem_type", options_.problem_type, types,
                     "labels that are numbers, whole or not, are classes",
                     {"regression", "multi_label_classification"});
  }
  flags.add("max_seq_length", options_.max_seq_length, at_least(2),
            "tokens of a text at most; longer ones are cut");
  if (training)
    flags.add("max_train_samples", options_.max_train_samples, at_least(1), "use the first texts only");
  flags.add("max_eval_samples", options_.max_eval_samples, at_least(1), "use the first held-out texts only");
}

void TextClassificationProgram::require_flags(bool training) const {
  if (options_.model_name_or_path.empty())
    throw InputError("--model_name_or_path: expected a folder, got nothing");
  const char* file_flag = training ? "--train_file" : "--validation_file";
  const auto& file = training ? options_.train_file : options_.validation_file;
  if (options_.dataset.empty() && file.empty()) {
    throw InputError(fmt::format("{}: expected a file, got nothing (or give --dataset)", file_flag));
  }
  if (!options_.dataset.empty() && !(options_.train_file.empty() && options_.validation_file.empty())) {
    throw InputError(fmt::format(
        "--dataset {}: expected no --train_file or --validation_file beside it, got one", options_.dataset));
  }
}

std::vector<std::filesystem::path> TextClassificationProgram::inputs() const {
  std::vector<std::filesystem::path> paths;
  for (const auto& path : {options_.model_name_or_path, options_.train_file, options_.validation_file})
    if (!path.empty()) paths.push_back(path);
  return paths;
}

training::RunResult TextClassificationProgram::train(const training::RunOptions& options,
                                                     const training::RunRequests& requests) {
  return train_text_classifier(options_, options, requests);
}

training::Evaluation TextClassificationProgram::evaluate(const std::filesystem::path& model,
                                                         int64_t batch_size,
                                                         const std::filesystem::path& predictions,
                                                         const training::StopRequested& stop_requested) {
  if (!predictions.empty()) {
    formats::table_format(predictions);
    require_writable_file("--predictions", predictions, inputs());
  }
  auto options = options_;
  if (!model.empty()) options.model_name_or_path = model;
  auto evaluation = evaluate_text_classifier(options, batch_size, stop_requested);
  if (!predictions.empty()) write_predictions(evaluation, predictions);
  return std::move(evaluation.scores);
}

}  // namespace vcas::tasks
