#include "text_run.h"

#include <ATen/Parallel.h>

#include <exception>
#include <iostream>
#include <optional>

#include "vcas/data/tokenized_texts.h"

namespace vcas::experiments {
namespace {

constexpr int64_t kMaxSeqLength = 128, kEvalBatchSize = 64;

}  // namespace

TextRunOptions::TextRunOptions() {
  train.num_train_epochs = 1;
  train.per_device_train_batch_size = 32;
  train.warmup_ratio = 0.1;
}

void add_flags(CLI::App& app, TextRunOptions& options) {
  app.option_defaults()->always_capture_default();
  app.add_option("--model_name_or_path", options.model_name_or_path, "Hugging Face folder")->required();
  app.add_option("--train_file", options.train_file, "texts")->required();
  app.add_option("--threads", options.threads, "of PyTorch and OpenMP");
  app.add_option("--learning_rate", options.train.learning_rate, "AdamW's highest");
  app.add_option("--seed", options.train.seed, "of all that is random");
}

TextRun::TextRun(const TextRunOptions& options)
    : options_(options),
      directory_(training::read_text_model_directory(options.model_name_or_path)),
      train_(data::read_training_file(options.train_file, {})) {
  at::set_num_threads(options.threads);
  model_ = training::load_text_classifier(directory_, train_.label_names, options.train.seed,
                                          /*require_head=*/false);
  training::TextBatching batching;
  batching.seed = options.train.seed;
  batching.train_batch_size = options.train.per_device_train_batch_size;
  task_ = std::make_unique<training::TextClassificationTask>(
      *model_, tokenized(train_), std::nullopt, batching, [](const std::filesystem::path&) {},
      options.train.compute());
}

training::Predictions TextRun::predict() {
  const auto held_out = data::read_evaluation_file(options_.validation_file, {}, train_.label_names);
  return training::predict(*model_, tokenized(held_out), kEvalBatchSize);
}

data::TokenizedTexts TextRun::tokenized(const data::TextDataset& texts) const {
  return {texts, directory_.tokenizer, kMaxSeqLength, options_.threads};
}

int run_experiment(CLI::App& app, int count, char** values, const std::function<void()>& run) {
  CLI11_PARSE(app, count, values);
  try {
    run();
  } catch (const std::exception& error) {
    std::cerr << app.get_name() << ": " << error.what() << '\n';
    return 1;
  }
  return 0;
}

}  // namespace vcas::experiments
