#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nn/fake_blocks.h"
#include "text/wordpiece.h"
#include "vcas/data/dataset.h"
#include "vcas/data/tokenized_texts.h"
#include "vcas/models/text_classifier.h"
#include "vcas/nn/classification_loss.h"
#include "vcas/tasks/text_classification.h"
#include "vcas/training/loop/method.h"

namespace vcas::training::testing {

constexpr int64_t kHidden = 6;
constexpr int64_t kClasses = 3;

/// One matrix named "weight".
class FakeMatrix final : public nn::Module {
 public:
  FakeMatrix(int64_t rows, const nn::ParameterTraits& traits)
      : weight_(add_parameter("weight", nn::testing::fake_values({rows, kHidden}), traits)) {}
  const at::Tensor& weight() const { return weight_; }

 private:
  at::Tensor weight_;
};

/// A bag of embeddings with one hidden layer: small enough to train in milliseconds, with everything that the
/// trainer relies on (keyed noise, SampleA, SampleW, statistics). Hidden rows = tanh(embedding · Wᵀ),
/// multiplied by noise that is keyed as dropout is; text = mean of its rows; logits = text · Cᵀ.
class FakeClassifier final : public models::TextClassifier {
 public:
  /// Of a batch, whatever its size.
  static constexpr nn::Flops kFlops{100, 200};

  /// @param sparse the embedding's gradient is sparse, and its rows are announced.
  explicit FakeClassifier(int64_t vocabulary, bool sparse = false) : sparse_(sparse) {
    nn::testing::FakeBlockOptions block;
    block.size = kHidden;
    block.noise = true;
    block.flops = kFlops;
    embedding_ =
        register_module("embedding", std::make_shared<FakeMatrix>(vocabulary, nn::ParameterTraits{}));
    block_ = register_module("block", std::make_shared<nn::testing::FakeBlock>(block));
    head_ = register_module(
        "head", std::make_shared<FakeMatrix>(kClasses, nn::ParameterTraits{.below_topmost_sampling = false}));
  }

  nn::Pass forward(const models::TextBatch& batch, const nn::PassOptions& options) override {
    nn::Recording recording(options);
    auto loss = std::make_unique<nn::ClassificationLoss>(run(batch, recording), batch.labels, batch.divisor);
    return make_pass(std::move(recording), std::move(loss), batch);
  }
  at::Tensor logits(const models::TextBatch& batch, const ops::ComputeOptions& compute) override {
    nn::Recording recording({.training = false, .compute = compute});
    return run(batch, recording);
  }
  nn::Flops flops(const nn::Batch& /*batch*/, const ops::ComputeOptions& /*compute*/) const override {
    return kFlops;
  }
  std::vector<nn::RowsRead> rows_read(const nn::Batch& batch) const override {
    if (!sparse_) return {};
    return {{0, static_cast<const models::TextBatch&>(batch).token_ids}};
  }
  int64_t label_count() const override { return kClasses; }

 private:
  at::Tensor run(const models::TextBatch& batch, nn::Recording& recording) {
    const at::Tensor x = at::embedding(embedding_->weight(), batch.token_ids, /*padding_idx=*/-1,
                                       /*scale_grad_by_freq=*/false, sparse_);
    const at::Tensor hidden = block_->forward(x, batch.offsets, recording);
    return nn::testing::row_groups(batch.offsets, nn::testing::RowsOf::samples)
        .mean(hidden)
        .matmul(head_->weight().t());
  }

  bool sparse_;
  std::shared_ptr<FakeMatrix> embedding_, head_;
  std::shared_ptr<nn::testing::FakeBlock> block_;
};

inline text::WordPiece fake_tokenizer() {
  text::Vocabulary vocabulary = {{"[UNK]", 0}, {"[CLS]", 1}, {"[SEP]", 2}};
  for (int32_t word = 0; word < 12; ++word)
    vocabulary[std::string{'w', static_cast<char>('a' + word)}] = word + 3;
  return text::WordPiece(vocabulary, {}, {});
}

/// Texts of 1 to 5 words whose first word says the class, except for every seventh.
inline data::TokenizedTexts fake_texts(int64_t count) {
  data::TextDataset dataset;
  dataset.label_names = {"zero", "one", "two"};
  for (int64_t i = 0; i < count; ++i) {
    std::string words;
    for (int64_t k = 0; k <= i % 5; ++k)
      words += std::string("w") + static_cast<char>('a' + (i + k * 5) % 12) + " ";
    dataset.texts.push_back(words);
    dataset.labels.push_back(i % 7 == 0 ? (i + 1) % kClasses : i % 12 % kClasses);
  }
  return {dataset, fake_tokenizer(), 16, 1};
}

inline TrainOptions with_batch_sizes(int64_t train, int64_t eval) {
  TrainOptions options;
  options.per_device_train_batch_size = train;
  options.per_device_eval_batch_size = eval;
  return options;
}

/// Runs a batch forward as a micro-batch of its own step.
inline MicroBatch forward(Task& task, const nn::Batch& batch, const nn::PassOptions& options) {
  return {task.forward(batch, options), {.number = options.micro_batch}};
}

/// A model with its task. Tests train it with the default batch size, 8.
struct FakeRun {
  explicit FakeRun(int64_t texts = 94, bool sparse = false)
      : model(std::make_shared<FakeClassifier>(15, sparse)),
        task(model, fake_texts(texts), fake_texts(9), with_batch_sizes(8, 3)) {}

  MicroBatch forward(const nn::Batch& batch, const nn::PassOptions& options) {
    return testing::forward(task, batch, options);
  }

  std::shared_ptr<FakeClassifier> model;
  tasks::TextClassification task;
};

inline bool equal_tensors(const nn::NamedTensors& a, const nn::NamedTensors& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a) {
    if (!b.contains(name) || !at::equal(tensor.detach(), b.at(name).detach())) return false;
  }
  return true;
}

inline nn::NamedTensors copies(const nn::NamedTensors& tensors) {
  nn::NamedTensors result;
  for (const auto& [name, tensor] : tensors) result[name] = tensor.detach().clone();
  return result;
}

}  // namespace vcas::training::testing
