#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "training/fake_task.h"
#include "vcas/models/bert.h"

namespace vcas::training::testing {

struct SmallBertOptions {
  int64_t hidden_size = 32;
  int64_t blocks = 2;
  int64_t batch_size = 8;
  int64_t texts = 64;
  double dropout = 0.1;
};

/// A BERT with random weights and its task. Not to be moved: the task refers to the model.
struct SmallBert {
  explicit SmallBert(const SmallBertOptions& options)
      : model(make_model(options)),
        task(*model, fake_texts(options.texts), std::nullopt,
             {7, options.batch_size, options.batch_size, false}, [](const std::filesystem::path&) {}) {}
  SmallBert(const SmallBert&) = delete;
  SmallBert& operator=(const SmallBert&) = delete;

  static std::unique_ptr<models::TextClassifier> make_model(const SmallBertOptions& options) {
    models::BertConfig config;
    config.vocab_size = 1000;
    config.hidden_size = options.hidden_size;
    config.intermediate_size = 4 * options.hidden_size;
    config.num_hidden_layers = options.blocks;
    config.num_attention_heads = 4;
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = options.dropout;
    config.classifier_dropout = options.dropout;
    config.initializer_range = 0.2;  // strong enough for samples to differ
    config.num_labels = kClasses;
    return models::make_bert_classifier(config, models::initial_bert_backbone(config, 1), 1,
                                        /*require_head=*/false, nullptr);
  }

  std::unique_ptr<models::TextClassifier> model;
  TextClassificationTask task;
};

}  // namespace vcas::training::testing
