#include "vcas/training/text_classification_task.h"

#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "training/host_values.h"
#include "vcas/training/evaluation.h"

namespace vcas::training {
namespace {

/// Batches that are sorted by length together, as Hugging Face's LengthGroupedSampler does.
constexpr int64_t kBucketBatches = 50;

data::OrderOptions order_options(const TextBatching& batching) {
  return {batching.seed, batching.train_batch_size, batching.group_by_length ? kBucketBatches : 0};
}

}  // namespace

models::TextBatch to_batch(const data::PackedTexts& texts) {
  return {to_tensor(texts.token_ids), to_tensor(texts.token_type_ids), to_tensor(texts.offsets),
          to_tensor(texts.labels)};
}

Predictions predict(models::TextClassifier& model, const data::TokenizedTexts& texts, int64_t batch_size,
                    ops::Precision precision) {
  const c10::AutoGradMode no_grad(false);
  at::Tensor logits = at::empty({texts.size(), model.label_count()}, at::kFloat);
  std::vector<int64_t> labels(static_cast<size_t>(texts.size()));
  models::PassOptions options;
  options.training = false;
  options.compute.precision = precision;
  for (const auto& examples : data::evaluation_batches(texts.lengths(), batch_size)) {
    const auto pass = model.forward_pass(to_batch(texts.pack(examples)), options);
    logits.index_copy_(0, to_tensor(examples), pass->logits().detach().to(at::kFloat));
    for (const int64_t example : examples) labels[static_cast<size_t>(example)] = texts.label(example);
  }
  // In float64, so that the mean over many texts does not depend on the batch size.
  const double loss = at::cross_entropy_loss(logits.to(at::kDouble), to_tensor(labels)).item<double>();
  return {at::softmax(logits, 1), std::move(labels), to_vector<int64_t>(logits.argmax(1)), loss};
}

TextClassificationTask::TextClassificationTask(models::TextClassifier& model, data::TokenizedTexts train,
                                               std::optional<data::TokenizedTexts> validation,
                                               const TextBatching& batching, SaveModel save_model,
                                               const ops::ComputeOptions& compute)
    : model_(model),
      train_(std::move(train)),
      validation_(std::move(validation)),
      batching_(batching),
      save_model_(std::move(save_model)),
      compute_(compute),
      order_(train_.lengths(), order_options(batching)) {}

const TextClassificationTask::Packed& TextClassificationTask::packed(const MicroBatchPosition& position) {
  if (!packed_ || packed_->position != position) {
    auto texts = train_.pack(order_.batch({position.epoch, position.index}));
    auto batch = to_batch(texts);
    packed_ = {position, std::move(batch), std::move(texts.offsets)};
  }
  return *packed_;
}

std::vector<models::RowsRead> TextClassificationTask::rows_read(const MicroBatchPosition& position) {
  return model_.rows_read(packed(position).batch);
}

MicroBatch TextClassificationTask::forward(const MicroBatchPosition& position, uint64_t seed) {
  const auto& [_, tensors, offsets] = packed(position);
  models::PassOptions options;
  options.seed = seed;
  options.micro_batch = position.number;
  options.compute = compute_;
  MicroBatch batch;
  batch.pass = model_.forward_pass(tensors, options);
  batch.offsets = offsets;
  batch.full_size = static_cast<int64_t>(offsets.size()) - 1 == batching_.train_batch_size;
  batch.number = position.number;
  return batch;
}

std::string TextClassificationTask::describe(const MicroBatchPosition& position) {
  return fmt::format("examples {}", fmt::join(order_.batch({position.epoch, position.index}), ", "));
}

std::optional<Evaluation> TextClassificationTask::evaluate() {
  if (!validation_) return std::nullopt;
  const Predictions predictions =
      predict(model_, *validation_, batching_.eval_batch_size, compute_.precision);
  return score_predictions(predictions.labels, predictions.classes, model_.label_count(), predictions.loss);
}

}  // namespace vcas::training
