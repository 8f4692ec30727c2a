#pragma once

#include <memory>

#include "vcas/models/bert.h"

namespace vcas::models::testing {

inline BertConfig small_config() {
  BertConfig config;
  config.vocab_size = 500;
  config.hidden_size = 32;
  config.intermediate_size = 64;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.initializer_range = 0.05;
  return config;
}

inline std::unique_ptr<TextClassifier> small_bert(const BertConfig& config = small_config()) {
  return make_bert_classifier(config, initial_bert_backbone(config, 7), 7, /*require_head=*/false).model;
}

}  // namespace vcas::models::testing
