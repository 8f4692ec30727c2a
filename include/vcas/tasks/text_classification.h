#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vcas/data/dataset.h"
#include "vcas/data/tokenized_texts.h"
#include "vcas/models/text_classifier.h"
#include "vcas/training/loop/task.h"
#include "vcas/training/run/options.h"
#include "vcas/training/run/requests.h"
#include "vcas/training/run/result.h"

namespace vcas::tasks {

/// Where texts come from and how they become tokens. Names and defaults are those of Hugging Face's
/// run_classification.
struct TextClassificationOptions {
  std::filesystem::path model_name_or_path;
  std::filesystem::path train_file;
  std::filesystem::path validation_file;
  std::string dataset;  ///< a built-in one instead of files: "wordnet-nouns"
  data::TextColumns columns;
  /// Of the classes, in the order of their ids. Empty: the training file's own (data::read_training_file).
  std::vector<std::string> label_names;
  /// "single_label_classification": numbers that are not whole are classes too. Empty: they are refused.
  std::string problem_type;
  int64_t max_seq_length = 128;
  bool ignore_mismatched_sizes = false;  ///< draws tensors that have another shape in the model's files
  std::optional<int64_t> max_train_samples;
  std::optional<int64_t> max_eval_samples;
};

/// What a model says about every text of a dataset, in the dataset's order.
struct Predictions {
  at::Tensor probabilities;  ///< [n, classes] float32
  std::vector<int64_t> labels;
  std::vector<int64_t> classes;  ///< the most probable one
  double loss = 0;               ///< mean cross-entropy
};
/// @param batch_size texts of a batch at most. Large batches go in parts, between which the stop is asked
/// for: the results are those of any other size.
/// @throws training::EvaluationStopped when asked to stop. std::runtime_error naming the first text whose
/// result is not finite.
Predictions predict(
    models::TextClassifier& model, const data::TokenizedTexts& texts, int64_t batch_size,
    const ops::ComputeOptions& compute = {},
    const training::StopRequested& stop_requested = [] { return false; });

/// Learning the classes of texts.
class TextClassification final : public training::TaskOf<models::TextBatch> {
 public:
  /// Writes the model into a folder as Hugging Face loads it, and reads its weights back.
  struct Storage {
    std::function<void(const models::TextClassifier&, const std::filesystem::path&)> save;
    std::function<void(models::TextClassifier&, const std::filesystem::path&)> load;
  };

  /// @param train at least one text. @param options batch size of evaluation, precision.
  /// @param storage without it, the model's own tensors are stored. @param base_model digest of the files
  /// that the model was read from, if any.
  TextClassification(std::shared_ptr<models::TextClassifier> model, data::TokenizedTexts train,
                     std::optional<data::TokenizedTexts> validation, const training::TrainOptions& options,
                     Storage storage = {}, std::string base_model = {});

  models::TextClassifier& model() override { return *model_; }
  std::vector<int64_t> lengths() const override { return train_.lengths(); }
  nlohmann::json fingerprint() const override;
  nlohmann::json result_fingerprint() const override;
  using Task::evaluate;
  std::optional<training::Evaluation> evaluate(const training::StopRequested& stop_requested) override;
  void save_model(const std::filesystem::path& folder) override;
  void load_model(const std::filesystem::path& folder) override;

  const data::TokenizedTexts& train_texts() const { return train_; }

 protected:
  models::TextBatch make_batch(const training::BatchRequest& request) const override;
  nn::Pass forward_batch(const models::TextBatch& batch, const nn::PassOptions& options) override {
    return model_->forward(batch, options);
  }

 private:
  std::shared_ptr<models::TextClassifier> model_;
  data::TokenizedTexts train_;
  std::optional<data::TokenizedTexts> validation_;
  int64_t eval_batch_size_;
  ops::ComputeOptions compute_;
  Storage storage_;
  std::string base_model_;
};

/// Reads model and data and makes the task of them: the one set-up that programs share.
/// @param options learning rates and the like are not read. @param checkpoint folder to take the model from
/// instead; its head must be there.
/// @throws formats::InputError naming file, line or key.
std::unique_ptr<TextClassification> load_text_classification(
    const TextClassificationOptions& data, const training::TrainOptions& options,
    const std::optional<std::filesystem::path>& checkpoint = std::nullopt);

/// Fine-tunes a text classifier. All input is read and checked before anything is written.
/// @throws formats::InputError naming file, line or key; the disk is then unchanged. As training::launch
/// otherwise.
training::RunResult train_text_classifier(const TextClassificationOptions& data,
                                          const training::RunOptions& options,
                                          const training::RunRequests& requests);

/// What evaluating a classifier gives.
struct TextEvaluation {
  training::Evaluation scores;
  Predictions predictions;
  std::vector<std::string> label_names;
};

/// Evaluates a folder's classifier, which must have a head, on validation_file or the data set's held-out
/// part.
/// @throws formats::InputError naming file, line or key. training::EvaluationStopped when asked to stop.
TextEvaluation evaluate_text_classifier(
    const TextClassificationOptions& options, int64_t batch_size,
    const training::StopRequested& stop_requested = [] { return false; });

/// The built-in data sets.
const std::vector<std::string>& builtin_text_datasets();

/// One batch of a dataset's texts. @param examples indices, repeated or not.
models::TextBatch text_batch(const data::TokenizedTexts& texts, std::vector<int64_t> examples);

}  // namespace vcas::tasks
