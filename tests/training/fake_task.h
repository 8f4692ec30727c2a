#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "vcas/data/dataset.h"
#include "vcas/data/tokenized_texts.h"
#include "vcas/models/classification_loss.h"
#include "vcas/models/text_classifier.h"
#include "vcas/sampling/draw.h"
#include "vcas/sampling/norms.h"
#include "vcas/sampling/stream.h"
#include "vcas/text/wordpiece.h"
#include "vcas/training/tensor_file.h"
#include "vcas/training/text_classification_task.h"

namespace vcas::training::testing {

constexpr int64_t kHidden = 6;
constexpr int64_t kClasses = 3;

/// A pass over FakeClassifier: hidden rows = tanh(embedding · W), multiplied by noise that is keyed as
/// dropout is; text = mean of its rows; logits = text · Cᵀ. SampleA acts on the hidden rows.
class FakePass final : public models::ForwardPass {
 public:
  FakePass(at::Tensor embedding, at::Tensor weight, at::Tensor head, const models::TextBatch& batch,
           const models::PassOptions& options, bool sparse = false)
      : embedding_(std::move(embedding)),
        weight_(std::move(weight)),
        head_(std::move(head)),
        offsets_(batch.offsets),
        labels_(batch.labels),
        options_(options) {
    x_ = at::embedding(embedding_, batch.token_ids, /*padding_idx=*/-1, /*scale_grad_by_freq=*/false, sparse);
    hidden_ = x_.matmul(weight_.t()).tanh();
    if (options.training) hidden_ = hidden_ * noise().unsqueeze(1);
    const at::Tensor lengths = offsets_.diff();
    const at::Tensor texts = at::arange(lengths.numel()).repeat_interleave(lengths);
    const at::Tensor pooled =
        at::zeros({lengths.numel(), kHidden}).index_add(0, texts, hidden_) / lengths.unsqueeze(1);
    text_of_row_ = texts;
    logits_ = pooled.matmul(head_.t());
    if (labels_.defined()) loss_ = models::classification_loss(logits_, labels_);
  }

  const at::Tensor& logits() const override { return logits_; }
  const at::Tensor& loss() const override { return loss_; }
  at::Tensor sample_losses() const override { return models::classification_losses(logits_, labels_); }
  at::Tensor logit_gradient_norms() const override { return models::logit_gradient_norms(logits_, labels_); }
  double forward_flops() const override { return 100; }
  double exact_backward_flops() const override { return 200; }

  models::BackwardResult backward(const models::BackwardRequest& request) override {
    const auto& plan = request.plan;
    const auto loss = models::classification_loss(logits_, labels_, request.sample_weights);
    const auto top =
        torch::autograd::grad({loss * request.loss_scale}, {head_, hidden_}, {}, /*retain_graph=*/true);
    at::Tensor gradient = top[1];
    const at::Tensor norms = sampling::sample_norms(sampling::row_norms(gradient), offsets_);
    models::BackwardResult result;
    result.flops = 200;
    if (plan.sampled) {
      gradient = gradient * row_scales(plan, norms).unsqueeze(1);
      result.flops = 200 * plan.sample_keep_ratio.at(0);
    }
    const auto below = torch::autograd::grad({hidden_}, {embedding_, weight_}, {gradient},
                                             /*retain_graph=*/!request.last_pass);
    result.gradients = {below[0], below[1], top[0]};
    if (request.want_stats) {
      const at::Tensor scores = sampling::row_norms(gradient) * sampling::row_norms(x_.detach());
      result.blocks.push_back({norms, scores.unsqueeze(0), at::full({1}, result.flops, at::kDouble)});
    }
    return result;
  }

 private:
  sampling::StreamKey stream(sampling::Site site, uint32_t draw) const {
    return {options_.seed, static_cast<uint32_t>(options_.micro_batch), 0, 0, draw, site};
  }

  at::Tensor noise() const {
    return (0.5 +
            sampling::uniform(hidden_.size(0), stream(sampling::Site::feed_forward_dropout, 0), hidden_))
        .to(at::kFloat);
  }

  at::Tensor row_scales(const sampling::SamplingPlan& plan, const at::Tensor& norms) const {
    const auto draw = sampling::draw(
        norms, sampling::count_from_ratio(plan.sample_keep_ratio.at(0), norms.numel()), plan.draw_method,
        stream(sampling::Site::sample_activation, static_cast<uint32_t>(plan.draw_number)));
    const at::Tensor scales = at::zeros_like(norms).index_add(0, draw.indices.clamp_min(0), draw.scales);
    return scales.index_select(0, text_of_row_).to(at::kFloat);
  }

  at::Tensor embedding_, weight_, head_, offsets_, labels_, x_, hidden_, text_of_row_, logits_, loss_;
  models::PassOptions options_;
};

/// A bag of embeddings with one hidden layer: small enough to train in milliseconds, with everything that the
/// trainer relies on (keyed noise, SampleA, statistics).
class FakeClassifier final : public models::TextClassifier {
 public:
  /// @param sparse the embedding's gradient is sparse, and its rows are announced.
  explicit FakeClassifier(int64_t vocabulary, bool sparse = false) : sparse_(sparse) {
    embedding_ = initial(vocabulary * kHidden).view({vocabulary, kHidden}).set_requires_grad(true);
    weight_ = initial(kHidden * kHidden).view({kHidden, kHidden}).set_requires_grad(true);
    head_ = initial(kClasses * kHidden).view({kClasses, kHidden}).set_requires_grad(true);
  }

  std::unique_ptr<models::ForwardPass> forward_pass(const models::TextBatch& batch,
                                                    const models::PassOptions& options) override {
    return std::make_unique<FakePass>(embedding_, weight_, head_, batch, options, sparse_);
  }
  std::vector<models::RowsRead> rows_read(const models::TextBatch& batch) const override {
    if (!sparse_) return {};
    return {{0, batch.token_ids}};
  }
  std::vector<models::NamedParameter> trainable_parameters() const override {
    return {{"embedding.weight", embedding_, true, true},
            {"block.weight", weight_, true, true},
            {"head.weight", head_, true, false}};
  }
  std::vector<std::vector<models::SampledLinear>> sampled_linears() const override {
    return {{{"block.weight", false}}};
  }
  std::map<std::string, at::Tensor> named_tensors() const override {
    return {{"embedding.weight", embedding_}, {"block.weight", weight_}, {"head.weight", head_}};
  }
  int64_t label_count() const override { return kClasses; }

 private:
  static at::Tensor initial(int64_t count) { return at::sin(at::arange(count, at::kFloat) * 1.7f) * 0.4; }

  bool sparse_;
  at::Tensor embedding_, weight_, head_;
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

/// A model with its task. Not to be moved: the task refers to the model.
struct FakeRun {
  explicit FakeRun(int64_t texts = 94, int64_t batch_size = 8, bool group_by_length = false,
                   bool sparse = false)
      : model(15, sparse),
        task(model, fake_texts(texts), fake_texts(9), {7, batch_size, 3, group_by_length},
             [this](const std::filesystem::path& folder) {
               write_tensors(folder / "model.safetensors", model.named_tensors());
             }) {}
  FakeRun(const FakeRun&) = delete;
  FakeRun& operator=(const FakeRun&) = delete;

  FakeClassifier model;
  TextClassificationTask task;
};

inline bool equal_tensors(const NamedTensors& a, const NamedTensors& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a) {
    if (!b.contains(name) || !at::equal(tensor.detach(), b.at(name).detach())) return false;
  }
  return true;
}

inline NamedTensors copies(const NamedTensors& tensors) {
  NamedTensors result;
  for (const auto& [name, tensor] : tensors) result[name] = tensor.detach().clone();
  return result;
}

}  // namespace vcas::training::testing
