#include "text_run.h"

#include <ATen/Parallel.h>

#include <exception>
#include <iostream>

namespace vcas::experiments {

TextRunOptions::TextRunOptions() {
  train.num_train_epochs = 1;
  train.per_device_train_batch_size = 32;
  train.per_device_eval_batch_size = 64;
  train.warmup_ratio = 0.1;
}

void add_flags(CLI::App& app, TextRunOptions& options) {
  app.option_defaults()->always_capture_default();
  app.add_option("--model_name_or_path", options.data.model_name_or_path, "Hugging Face folder")->required();
  app.add_option("--train_file", options.data.train_file, "texts")->required();
  app.add_option("--threads", options.threads, "of PyTorch and OpenMP");
  app.add_option("--learning_rate", options.train.learning_rate, "AdamW's highest");
  app.add_option("--seed", options.train.seed, "of all that is random");
}

std::unique_ptr<tasks::TextClassification> load(const TextRunOptions& options) {
  at::set_num_threads(options.threads);
  return tasks::load_text_classification(options.data, options.train);
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
