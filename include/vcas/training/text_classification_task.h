#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "vcas/data/order.h"
#include "vcas/data/text_batch.h"
#include "vcas/data/tokenized_texts.h"
#include "vcas/models/text_classifier.h"
#include "vcas/training/task.h"

namespace vcas::training {

/// Packed texts as the tensors that a model takes.
models::TextBatch to_batch(const data::PackedTexts& texts);

/// What a model says about every text of a dataset, in the dataset's order.
struct Predictions {
  at::Tensor probabilities;  ///< [n, classes] float32
  std::vector<int64_t> labels;
  std::vector<int64_t> classes;  ///< the most probable one
  double loss = 0;               ///< mean cross-entropy
};
Predictions predict(models::TextClassifier& model, const data::TokenizedTexts& texts, int64_t batch_size,
                    ops::Precision precision = ops::Precision::float32);

/// How texts are put into batches.
struct TextBatching {
  uint64_t seed = 42;
  int64_t train_batch_size = 8;
  int64_t eval_batch_size = 8;
  bool group_by_length = false;
};

/// Fine-tuning a text classifier.
class TextClassificationTask final : public Task {
 public:
  using SaveModel = std::function<void(const std::filesystem::path&)>;

  /// @param model must outlive the task. @param train at least one text. @param compute of training; its
  /// precision of evaluation too.
  TextClassificationTask(models::TextClassifier& model, data::TokenizedTexts train,
                         std::optional<data::TokenizedTexts> validation, const TextBatching& batching,
                         SaveModel save_model, const ops::ComputeOptions& compute = {});

  std::vector<models::NamedParameter> parameters() const override { return model_.trainable_parameters(); }
  std::vector<std::vector<models::SampledLinear>> sampled_linears() const override {
    return model_.sampled_linears();
  }
  NamedTensors named_tensors() const override { return model_.named_tensors(); }
  int64_t micro_batches_per_epoch() const override { return order_.batches_per_epoch(); }
  std::vector<models::RowsRead> rows_read(const MicroBatchPosition& position) override;
  MicroBatch forward(const MicroBatchPosition& position, uint64_t seed) override;
  std::string describe(const MicroBatchPosition& position) override;
  std::optional<Evaluation> evaluate() override;
  void save_model(const std::filesystem::path& folder) const override { save_model_(folder); }

 private:
  /// A training batch and the position that it belongs to.
  struct Packed {
    MicroBatchPosition position;
    models::TextBatch batch;
    std::vector<int64_t> offsets;  ///< those of the batch
  };
  /// rows_read() and forward() of one position share it.
  const Packed& packed(const MicroBatchPosition& position);

  models::TextClassifier& model_;
  data::TokenizedTexts train_;
  std::optional<data::TokenizedTexts> validation_;
  TextBatching batching_;
  SaveModel save_model_;
  ops::ComputeOptions compute_;
  data::TrainingOrder order_;
  std::optional<Packed> packed_;
};

}  // namespace vcas::training
