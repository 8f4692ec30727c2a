#include "bert_modules.h"
#include "vcas/models/classification_pass.h"

namespace vcas::models {
namespace {

/// Hugging Face's names of a layer's parameters, in the order of ops::kEncoderParameters.
constexpr const char* kLayerNames[] = {"attention.self.query.weight",
                                       "attention.self.query.bias",
                                       "attention.self.key.weight",
                                       "attention.self.key.bias",
                                       "attention.self.value.weight",
                                       "attention.self.value.bias",
                                       "attention.output.dense.weight",
                                       "attention.output.dense.bias",
                                       "attention.output.LayerNorm.weight",
                                       "attention.output.LayerNorm.bias",
                                       "intermediate.dense.weight",
                                       "intermediate.dense.bias",
                                       "output.dense.weight",
                                       "output.dense.bias",
                                       "output.LayerNorm.weight",
                                       "output.LayerNorm.bias"};

std::string layer_name(size_t layer, size_t parameter) {
  return "bert.encoder.layer." + std::to_string(layer) + "." + kLayerNames[parameter];
}

nn::EncoderLayerOptions layer_options(const BertConfig& config, bool last) {
  nn::EncoderLayerOptions options;
  options.hidden_size = config.hidden_size;
  options.intermediate_size = config.intermediate_size;
  options.layer.num_heads = config.num_attention_heads;
  options.layer.layer_norm_eps = config.layer_norm_eps;
  options.layer.hidden_dropout = config.hidden_dropout_prob;
  options.layer.attention_dropout = config.attention_probs_dropout_prob;
  options.layer.tanh_gelu = config.hidden_act != "gelu";
  options.layer.first_row_only = last;
  return options;
}

}  // namespace

BertClassifier::BertClassifier(const BertConfig& config) : config_(config) {
  embeddings_ = register_module("embeddings", std::make_shared<BertEmbeddings>(config));
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const auto options = layer_options(config, i + 1 == config.num_hidden_layers);
    layers_.push_back(
        register_module("layer_" + std::to_string(i), std::make_shared<nn::EncoderLayerImpl>(options)));
  }
  head_ = register_module("head", std::make_shared<BertHead>(config));
}

std::unique_ptr<ForwardPass> BertClassifier::forward_pass(const TextBatch& batch,
                                                          const PassOptions& options) {
  sampling::StreamKey stream;
  stream.seed = options.seed;
  stream.micro_batch = static_cast<uint32_t>(options.micro_batch);
  stream.rank = static_cast<uint32_t>(options.rank);
  nn::Recording recording(stream, options.training, options.compute);
  auto hidden = embeddings_->forward(batch, stream, options.training);
  for (const auto& layer : layers_) hidden = layer->forward(hidden, batch.offsets, recording);
  auto logits = head_->forward(hidden, stream, options.training);

  std::vector<at::Tensor> parameters;
  for (const auto& parameter : named_parameters_in_order())
    if (parameter.value.requires_grad()) parameters.push_back(parameter.value);
  return std::make_unique<ClassificationPass>(std::move(logits), batch.labels, std::move(recording),
                                              std::move(parameters),
                                              head_->forward_flops(batch.offsets.numel() - 1));
}

std::vector<BertParameter> BertClassifier::named_parameters_in_order() const {
  const auto embeddings = embeddings_->parameters();
  const auto head = head_->parameters();
  std::vector<BertParameter> parameters = {
      {"bert.embeddings.word_embeddings.weight", embeddings[0]},
      {"bert.embeddings.position_embeddings.weight", embeddings[1]},
      {"bert.embeddings.token_type_embeddings.weight", embeddings[2]},
      {"bert.embeddings.LayerNorm.weight", embeddings[3]},
      {"bert.embeddings.LayerNorm.bias", embeddings[4]},
  };
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    const auto& values = layers_[layer]->parameter_list();
    for (size_t i = 0; i < values.size(); ++i) parameters.push_back({layer_name(layer, i), values[i]});
  }
  parameters.push_back({"bert.pooler.dense.weight", head[0]});
  parameters.push_back({"bert.pooler.dense.bias", head[1]});
  parameters.push_back({"classifier.weight", head[2]});
  parameters.push_back({"classifier.bias", head[3]});
  return parameters;
}

std::vector<NamedParameter> BertClassifier::trainable_parameters() const {
  std::vector<NamedParameter> result;
  for (auto& parameter : named_parameters_in_order()) {
    if (!parameter.value.requires_grad()) continue;
    NamedParameter named;
    named.weight_decay =
        !parameter.name.ends_with(".bias") && parameter.name.find("LayerNorm") == std::string::npos;
    named.below_topmost_sampling =
        !parameter.name.starts_with("bert.pooler.") && !parameter.name.starts_with("classifier.");
    named.value = parameter.value;
    named.name = std::move(parameter.name);
    result.push_back(std::move(named));
  }
  return result;
}

std::vector<RowsRead> BertClassifier::rows_read(const TextBatch& batch) const {
  if (!embeddings_->word_embeddings().requires_grad()) return {};
  // They come first of all parameters.
  return {{0, batch.token_ids}};
}

std::vector<std::vector<SampledLinear>> BertClassifier::sampled_linears() const {
  std::vector<std::vector<SampledLinear>> blocks(layers_.size());
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    const bool first_row_only = layers_[layer]->options().layer.first_row_only;
    for (int64_t i = 0; i < ops::kEncoderLinears; ++i) {
      blocks[layer].push_back(
          {layer_name(layer, ops::kLinearWeight[i]), !ops::runs_on_all_rows(first_row_only, i)});
    }
  }
  return blocks;
}

std::map<std::string, at::Tensor> BertClassifier::named_tensors() const {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& parameter : named_parameters_in_order())
    tensors[parameter.name] = parameter.value.detach();
  return tensors;
}

}  // namespace vcas::models
