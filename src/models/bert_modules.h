#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "vcas/models/bert.h"
#include "vcas/nn/flops.h"
#include "vcas/nn/model.h"
#include "vcas/nn/recording.h"

namespace vcas::models {

/// Sum of word, position and token type embeddings, LayerNorm, dropout; on packed rows.
class BertEmbeddings final : public nn::Module {
 public:
  explicit BertEmbeddings(const BertConfig& config);
  /// @return [R, H]. @throws c10::Error when a text is longer than max_position_embeddings.
  at::Tensor forward(const TextBatch& batch, const nn::PassOptions& options);
  const at::Tensor& word_embeddings() const { return word_; }

 private:
  double layer_norm_eps_, dropout_;
  at::Tensor word_, position_, token_type_, norm_weight_, norm_bias_;
};

/// tanh pooler over the first row of each text, and the classifier.
class BertHead final : public nn::Module {
 public:
  explicit BertHead(const BertConfig& config);
  /// @param first_rows [N, H]. @return [N, labels].
  at::Tensor forward(const at::Tensor& first_rows, const nn::PassOptions& options);
  nn::Flops flops(int64_t samples) const;

 private:
  double dropout_;
  at::Tensor pooler_weight_, pooler_bias_, classifier_weight_, classifier_bias_;
};

}  // namespace vcas::models
