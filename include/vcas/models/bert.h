#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vcas/formats/json.h"
#include "vcas/models/hugging_face/tensor_table.h"
#include "vcas/models/text_classifier.h"
#include "vcas/ops/activation.h"

namespace vcas::models {

/// Hugging Face's BertConfig: the values that change what is computed.
struct BertConfig {
  int64_t vocab_size = 30522;
  int64_t hidden_size = 768;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t intermediate_size = 3072;
  int64_t max_position_embeddings = 512;
  int64_t type_vocab_size = 2;
  double layer_norm_eps = 1e-12;
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  double classifier_dropout = 0.1;  ///< hidden_dropout_prob where config.json says nothing else
  double initializer_range = 0.02;
  std::string hidden_act = "gelu";  ///< by Hugging Face's names (ACT2FN)
  int64_t num_labels = 2;           ///< from id2label, else num_labels

  /// Reads config.json: Hugging Face's defaults for what is missing. @throws formats::InputError for a
  /// wrong-typed or unsupported value.
  static BertConfig from_json(const formats::JsonObject& json);

  /// What hidden_act names. @throws std::invalid_argument for a name that is not known.
  ops::Activation activation() const;
};

/// Names of BERT's tensors in Hugging Face's files. Pooler and classifier are the head.
hugging_face::TensorTable bert_tensor_table(const BertConfig& config);

/// A model and how a file's tensors fitted it.
struct LoadedClassifier {
  std::unique_ptr<TextClassifier> model;
  hugging_face::LoadReport report;
};

/// Makes a BERT sequence classifier from Hugging Face tensors, with or without the `bert.` prefix.
/// @param tensors as read from model.safetensors, copied.
/// @param seed    draws the tensors of a missing head (normal, initializer_range).
/// @param require_head a missing head is an error instead.
/// @param ignore_mismatched_sizes draws tensors that have another shape in the file.
/// @throws std::invalid_argument naming every tensor that is missing, has a wrong shape or dtype, or holds a
///         value that is not finite.
LoadedClassifier make_bert_classifier(const BertConfig& config, const nn::NamedTensors& tensors,
                                      uint64_t seed, bool require_head, bool ignore_mismatched_sizes = false);

/// Tensors of a model that knows nothing yet, without a head, for make_bert_classifier: weights and tables
/// normal with initializer_range, biases 0, LayerNorms 1.
nn::NamedTensors initial_bert_backbone(const BertConfig& config, uint64_t seed);

}  // namespace vcas::models
