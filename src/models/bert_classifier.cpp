#include "models/bert_classifier.h"

#include <fmt/format.h>

#include <utility>

#include "vcas/nn/classification_loss.h"

namespace vcas::models {
namespace {

nn::TransformerLayerOptions layer_options(const BertConfig& config) {
  nn::TransformerLayerOptions options;
  options.hidden_size = config.hidden_size;
  options.intermediate_size = config.intermediate_size;
  options.layer.num_heads = config.num_attention_heads;
  options.layer.layer_norm_eps = config.layer_norm_eps;
  options.layer.hidden_dropout = config.hidden_dropout_prob;
  options.layer.attention_dropout = config.attention_probs_dropout_prob;
  options.layer.activation = config.activation();
  return options;
}

}  // namespace

BertClassifier::BertClassifier(const BertConfig& config)
    : config_(config),
      embeddings_(register_module("embeddings", std::make_shared<BertEmbeddings>(config))),
      encoder_(register_module("encoder", std::make_shared<nn::TransformerStack>(layer_options(config),
                                                                                 config.num_hidden_layers))),
      head_(register_module("head", std::make_shared<BertHead>(config))) {}

at::Tensor BertClassifier::run(const TextBatch& batch, const nn::PassOptions& options,
                               nn::Recording& recording) {
  const auto embedded = embeddings_->forward(batch, options);
  const auto first_rows =
      encoder_->forward(embedded, batch.offsets, nn::first_rows(batch.offsets), recording);
  return head_->forward(first_rows, options);
}

nn::Pass BertClassifier::forward(const TextBatch& batch, const nn::PassOptions& options) {
  nn::Recording recording(options);
  auto loss =
      std::make_unique<nn::ClassificationLoss>(run(batch, options, recording), batch.labels, batch.divisor);
  return make_pass(std::move(recording), std::move(loss), batch);
}

at::Tensor BertClassifier::logits(const TextBatch& batch, const ops::ComputeOptions& compute) {
  const nn::PassOptions options{.training = false, .compute = compute};
  nn::Recording recording(options);
  return run(batch, options, recording);
}

sampling::SamplingLayout BertClassifier::layout() const {
  const auto table = bert_tensor_table(config_);
  auto layout = nn::Model::layout();
  for (size_t i = 0; i < layout.blocks.size(); ++i) {
    layout.blocks[i].name = fmt::format("bert.encoder.layer.{}", i);
    for (auto& weight : layout.blocks[i].weights) weight.name = hugging_face::file_name(table, weight.name);
  }
  return layout;
}

nn::Flops BertClassifier::flops(const nn::Batch& batch, const ops::ComputeOptions& compute) const {
  auto flops = encoder_->flops(batch.offsets, nn::first_rows(batch.offsets), compute);
  flops += head_->flops(batch.size());
  return flops;
}

std::vector<nn::RowsRead> BertClassifier::rows_read(const nn::Batch& batch) const {
  if (!embeddings_->word_embeddings().requires_grad()) return {};
  // They come first of all parameters.
  return {{0, dynamic_cast<const TextBatch&>(batch).token_ids}};
}

}  // namespace vcas::models
