#include "vcas/tasks/text_classification.h"

#include <ATen/Parallel.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "nn/host_values.h"
#include "tasks/check_texts.h"
#include "vcas/data/order.h"
#include "vcas/tasks/classification_metrics.h"

namespace vcas::tasks {

using nn::to_tensor;

namespace {

/// Of a part of an evaluation: matrix products are as quick as with more, and a thread of BERT-base takes
/// about a second, after which the evaluation can be stopped.
constexpr int64_t kTokensPerThread = 1024;

}  // namespace

models::TextBatch text_batch(const data::TokenizedTexts& texts, std::vector<int64_t> examples) {
  const auto packed = texts.pack(examples);
  models::TextBatch batch;
  batch.examples = std::move(examples);
  batch.offsets = nn::to_tensor(packed.offsets);
  batch.token_ids = nn::to_tensor(packed.token_ids);
  batch.token_type_ids = nn::to_tensor(packed.token_type_ids);
  batch.labels = nn::to_tensor(packed.labels);
  return batch;
}

Predictions predict(models::TextClassifier& model, const data::TokenizedTexts& texts, int64_t batch_size,
                    const ops::ComputeOptions& compute, const training::StopRequested& stop_requested) {
  const c10::AutoGradMode no_grad(false);
  at::Tensor logits = at::empty({texts.size(), model.label_count()}, at::kFloat);
  std::vector<int64_t> labels(static_cast<size_t>(texts.size()));
  const int64_t tokens = kTokensPerThread * at::get_num_threads();
  for (const auto& examples : data::evaluation_batches(texts.lengths(), batch_size, tokens)) {
    if (stop_requested()) throw training::EvaluationStopped();
    const auto batch = text_batch(texts, examples);
    logits.index_copy_(0, nn::to_tensor(examples), model.logits(batch, compute).to(at::kFloat));
    for (const int64_t example : examples) labels[static_cast<size_t>(example)] = texts.label(example);
  }
  // In float64, so that the mean over many texts does not depend on the batch size.
  const double loss = at::cross_entropy_loss(logits.to(at::kDouble), nn::to_tensor(labels)).item<double>();
  Predictions predictions{at::softmax(logits, 1), std::move(labels), nn::to_vector<int64_t>(logits.argmax(1)),
                          loss};
  require_finite(predictions);
  return predictions;
}

TextClassification::TextClassification(std::shared_ptr<models::TextClassifier> model,
                                       data::TokenizedTexts train,
                                       std::optional<data::TokenizedTexts> validation,
                                       const training::TrainOptions& options, Storage storage,
                                       std::string base_model)
    : model_(std::move(model)),
      train_(std::move(train)),
      validation_(std::move(validation)),
      eval_batch_size_(options.per_device_eval_batch_size),
      compute_{options.compute().precision, /*recompute=*/false},
      storage_(std::move(storage)),
      base_model_(std::move(base_model)) {}

models::TextBatch TextClassification::make_batch(const training::BatchRequest& request) const {
  std::vector<int64_t> examples;
  for (const auto& visit : request.visits) examples.push_back(visit.example);
  return text_batch(train_, std::move(examples));
}

nlohmann::json TextClassification::fingerprint() const {
  return {{"training examples", train_.size()},
          {"training tokens", train_.token_count()},
          {"max_seq_length", train_.max_length()},
          {"training data", train_.digest()}};
}

nlohmann::json TextClassification::result_fingerprint() const {
  nlohmann::json fingerprint = {{"held-out data", validation_ ? validation_->digest() : "none"}};
  if (!base_model_.empty()) fingerprint["model_name_or_path"] = base_model_;
  return fingerprint;
}

std::optional<training::Evaluation> TextClassification::evaluate(
    const training::StopRequested& stop_requested) {
  if (!validation_) return std::nullopt;
  const Predictions predictions = predict(*model_, *validation_, eval_batch_size_, compute_, stop_requested);
  return score_predictions(predictions.labels, predictions.classes, model_->label_count(), predictions.loss);
}

void TextClassification::save_model(const std::filesystem::path& folder) {
  if (!storage_.save) return Task::save_model(folder);
  storage_.save(*model_, folder);
}

void TextClassification::load_model(const std::filesystem::path& folder) {
  if (!storage_.load) return Task::load_model(folder);
  storage_.load(*model_, folder);
}

}  // namespace vcas::tasks
