#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <vector>

#include "vcas/models/bert.h"
#include "vcas/nn/encoder_layer.h"

namespace vcas::models {

/// Sum of word, position and token type embeddings, LayerNorm, dropout; on packed rows.
class BertEmbeddings : public torch::nn::Module {
 public:
  explicit BertEmbeddings(const BertConfig& config);
  /// @return [R, H]. @throws c10::Error when a text is longer than max_position_embeddings.
  at::Tensor forward(const TextBatch& batch, const sampling::StreamKey& stream, bool training);
  const at::Tensor& word_embeddings() const { return word_; }

 private:
  double layer_norm_eps_, dropout_;
  at::Tensor word_, position_, token_type_, norm_weight_, norm_bias_;
};

/// tanh pooler over the first row of each text, and the classifier.
class BertHead : public torch::nn::Module {
 public:
  explicit BertHead(const BertConfig& config);
  /// @param first_rows [N, H]. @return [N, labels].
  at::Tensor forward(const at::Tensor& first_rows, const sampling::StreamKey& stream, bool training);
  double forward_flops(int64_t samples) const;

 private:
  double dropout_;
  at::Tensor pooler_weight_, pooler_bias_, classifier_weight_, classifier_bias_;
};

/// A parameter and its Hugging Face name.
struct BertParameter {
  std::string name;
  at::Tensor value;
};

class BertClassifier : public TextClassifier {
 public:
  explicit BertClassifier(const BertConfig& config);

  std::unique_ptr<ForwardPass> forward_pass(const TextBatch& batch, const PassOptions& options) override;
  std::vector<NamedParameter> trainable_parameters() const override;
  std::vector<RowsRead> rows_read(const TextBatch& batch) const override;
  std::vector<std::vector<SampledLinear>> sampled_linears() const override;
  std::map<std::string, at::Tensor> named_tensors() const override;
  int64_t label_count() const override { return config_.num_labels; }

 private:
  std::vector<BertParameter> named_parameters_in_order() const;

  BertConfig config_;
  std::shared_ptr<BertEmbeddings> embeddings_;
  std::vector<std::shared_ptr<nn::EncoderLayerImpl>> layers_;
  std::shared_ptr<BertHead> head_;
};

}  // namespace vcas::models
