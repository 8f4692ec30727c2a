#pragma once

#include <cstdint>
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

/// A BERT with random weights and its task.
struct SmallBert {
  explicit SmallBert(const SmallBertOptions& options)
      : train_options(with_batch_sizes(options.batch_size, options.batch_size)),
        task(make_model(options), fake_texts(options.texts), std::nullopt, train_options) {}

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
                                        /*require_head=*/false)
        .model;
  }

  TrainOptions train_options;
  tasks::TextClassification task;
};

}  // namespace vcas::training::testing
