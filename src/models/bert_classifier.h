#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "models/bert_modules.h"
#include "vcas/nn/transformer_stack.h"

namespace vcas::models {

/// BERT with a pooler and a linear classifier over the first token of each text.
class BertClassifier final : public TextClassifier {
 public:
  explicit BertClassifier(const BertConfig& config);

  nn::Pass forward(const TextBatch& batch, const nn::PassOptions& options) override;
  at::Tensor logits(const TextBatch& batch, const ops::ComputeOptions& compute) override;
  int64_t label_count() const override { return config_.num_labels; }
  /// Blocks and weights by Hugging Face's names.
  sampling::SamplingLayout layout() const override;
  nn::Flops flops(const nn::Batch& batch, const ops::ComputeOptions& compute) const override;
  std::vector<nn::RowsRead> rows_read(const nn::Batch& batch) const override;

 private:
  at::Tensor run(const TextBatch& batch, const nn::PassOptions& options, nn::Recording& recording);

  BertConfig config_;
  std::shared_ptr<BertEmbeddings> embeddings_;
  std::shared_ptr<nn::TransformerStack> encoder_;
  std::shared_ptr<BertHead> head_;
};

}  // namespace vcas::models
