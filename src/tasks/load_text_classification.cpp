#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/atomic_directory.h"
#include "formats/warning.h"
#include "tasks/check_texts.h"
#include "tasks/text_data.h"
#include "vcas/formats/error.h"
#include "vcas/models/hugging_face/model_directory.h"
#include "vcas/tasks/classification_metrics.h"
#include "vcas/tasks/text_classification.h"
#include "vcas/training/run/launch.h"

namespace vcas::tasks {
namespace {

namespace fs = std::filesystem;
using formats::InputError;
using models::hugging_face::ModelDirectory;

constexpr const char* kName = "text-classification";
constexpr const char* kWordNetNouns = "wordnet-nouns";

void require_length_fits(const TextClassificationOptions& options, const ModelDirectory& directory) {
  const int64_t positions = directory.longest_text();
  const int64_t minimum = options.columns.text_pair ? 3 : 2;
  if (options.max_seq_length < minimum || options.max_seq_length > positions) {
    throw InputError(fmt::format("max_seq_length: expected {} to {} ({}: max_position_embeddings), got {}",
                                 minimum, positions, directory.path.string(), options.max_seq_length));
  }
  warn_of_model_max_length(directory, options.max_seq_length);
}

data::TokenizedTexts tokenize(const data::TextDataset& dataset, const ModelDirectory& directory,
                              int64_t max_length, std::string_view part) {
  data::TokenizedTexts texts(dataset, *directory.tokenizer, max_length, at::get_num_threads());
  require_embeddings(texts, directory, part);
  if (texts.truncated_count() > 0) {
    formats::warn(fmt::format("{}: {} of {} texts are longer than max_seq_length {} and were cut", part,
                              texts.truncated_count(), texts.size(), max_length));
  }
  return texts;
}

/// Of the files that shape and weights come from; empty where the folder is gone, as it may be when a run
/// goes on from a checkpoint.
std::string model_digest(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::is_directory(folder)) return {};
  const bool single = fs::exists(folder / "model.safetensors");
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename();
    const bool weights = single ? name == "model.safetensors" : name.extension() == ".safetensors";
    if (name == "config.json" || weights) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::string digests;
  for (const auto& file : files) digests += file.filename().string() + formats::sha256_of_file(file);
  return fmt::format("{:016x}", vcas::data::fnv1a64(digests));
}

TextClassification::Storage storage_of(const ModelDirectory& directory,
                                       const std::vector<std::string>& labels,
                                       const TextClassificationOptions& options) {
  return {[directory, labels, options](const models::TextClassifier& model, const fs::path& folder) {
            models::hugging_face::save_text_classifier(directory, model, labels, folder);
            write_text_settings(options, folder);
          },
          [](models::TextClassifier& model, const fs::path& folder) {
            models::hugging_face::load_weights(model, folder);
          }};
}

}  // namespace

std::unique_ptr<TextClassification> load_text_classification(const TextClassificationOptions& data,
                                                             const training::TrainOptions& options,
                                                             const std::optional<fs::path>& checkpoint) {
  // A checkpoint is a model's folder too: with its head, and with the configuration that the run writes.
  const auto directory =
      models::hugging_face::read_model_directory(checkpoint.value_or(data.model_name_or_path));
  require_length_fits(data, directory);
  const TextSplits splits =
      read_splits(data, {directory.path, directory.head_labels(), checkpoint.has_value()});
  const auto& labels = splits.train.label_names;
  auto train = tokenize(splits.train, directory, data.max_seq_length, "training texts");
  std::optional<data::TokenizedTexts> validation;
  if (splits.validation) {
    validation = tokenize(*splits.validation, directory, data.max_seq_length, "evaluation texts");
  }
  auto model = models::hugging_face::load_text_classifier(directory, labels, options.seed,
                                                          /*require_head=*/checkpoint.has_value(),
                                                          data.ignore_mismatched_sizes);
  return std::make_unique<TextClassification>(std::move(model), std::move(train), std::move(validation),
                                              options, storage_of(directory, labels, data),
                                              model_digest(data.model_name_or_path));
}

training::RunResult train_text_classifier(const TextClassificationOptions& data,
                                          const training::RunOptions& options,
                                          const training::RunRequests& requests) {
  const auto start =
      training::begin_run(options, {data.model_name_or_path, data.train_file, data.validation_file});
  const auto task = load_text_classification(data, options.train, start.checkpoint);
  return training::launch(options, *task, kName, start, requests);
}

TextEvaluation evaluate_text_classifier(const TextClassificationOptions& options, int64_t batch_size,
                                        const training::StopRequested& stop_requested) {
  const auto directory = models::hugging_face::read_model_directory(options.model_name_or_path);
  require_length_fits(options, directory);
  warn_of_other_settings(options, directory.path);
  const auto labels = directory.labels_or_default();
  auto dataset = read_held_out(options, labels);
  if (options.max_eval_samples) dataset.keep_first(*options.max_eval_samples);
  const auto texts = tokenize(dataset, directory, options.max_seq_length, "evaluation texts");
  const auto model =
      models::hugging_face::load_text_classifier(directory, labels, /*seed=*/0, /*require_head=*/true);
  auto predictions = predict(*model, texts, batch_size, /*compute=*/{}, stop_requested);
  auto scores = score_predictions(predictions.labels, predictions.classes,
                                  static_cast<int64_t>(labels.size()), predictions.loss);
  return {std::move(scores), std::move(predictions), labels};
}

const std::vector<std::string>& builtin_text_datasets() {
  static const std::vector<std::string> names = {kWordNetNouns};
  return names;
}

}  // namespace vcas::tasks
