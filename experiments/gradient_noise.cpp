// gradient_noise: fine-tunes a classifier by exact gradients with Gaussian noise added, tensor by tensor,
// whose variance is a share of SGD's own (the dispersion of two batches' gradients, measured anew every so
// many steps). noise.py is its client. Out: one JSON line at the end, {"train_loss", "eval_loss",
// "eval_accuracy", "correct"}.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "control/gradient_dispersion.h"
#include "training/controlled_parameters.h"
#include "vcas/data/dataset.h"
#include "vcas/data/tokenized_texts.h"
#include "vcas/training/method.h"
#include "vcas/training/options.h"
#include "vcas/training/text_classification_task.h"
#include "vcas/training/text_model_directory.h"
#include "vcas/training/trainer.h"

namespace {

namespace control = vcas::control;
namespace data = vcas::data;
namespace training = vcas::training;

struct Options {
  std::filesystem::path model_name_or_path, train_file, validation_file;
  int threads = 2;
  double share = 0.8;
  int64_t interval = 50;
  training::TrainOptions train;
};

/// Exact gradients plus noise on the parameters that sampling would touch.
class NoisyMethod final : public training::Method {
 public:
  NoisyMethod(const Options& options, const training::Task& task)
      : options_(options),
        controlled_(training::controlled_parameters(task.parameters())),
        generator_(at::detail::createCPUGenerator(options.train.seed)) {}

  std::string_view name() const override { return "noise"; }

  training::MicroBatchGradient backward(const training::MicroBatch& batch, double loss_scale) override {
    auto result = batch.pass->backward({.loss_scale = loss_scale});
    const auto gradients = training::select(result.gradients, controlled_);
    measure(batch.number, gradients);
    for (size_t i = 0; i < controlled_.size(); ++i) {
      auto& gradient = result.gradients[controlled_[i]];
      if (variances_.empty()) break;
      // A sparse gradient (of an embedding) gets its noise on the rows that it has.
      auto values = gradient.is_sparse() ? (gradient = gradient.coalesce()).values() : gradient;
      const double scale = std::sqrt(options_.share * variances_[i] / static_cast<double>(values.numel()));
      const auto noise = at::empty_like(values).normal_(0, scale, generator_);
      if (gradient.is_sparse()) {
        values.add_(noise);
      } else {
        gradient = gradient + noise;
      }
    }
    return {std::move(result.gradients), result.flops, 0};
  }

 private:
  void measure(int64_t number, const std::vector<at::Tensor>& gradients) {
    if (number % options_.interval > 1) return;
    dispersion_.add(gradients);
    if (dispersion_.count() < 2) return;
    variances_ = dispersion_.variances();
    dispersion_ = {};
  }

  const Options& options_;
  std::vector<size_t> controlled_;
  at::Generator generator_;
  control::GradientDispersion dispersion_;
  std::vector<double> variances_;
};

void run(const Options& options) {
  at::set_num_threads(options.threads);
  const auto directory = training::read_text_model_directory(options.model_name_or_path);
  const auto train = data::read_training_file(options.train_file, {});
  const auto held_out = data::read_evaluation_file(options.validation_file, {}, train.label_names);
  const auto model = training::load_text_classifier(directory, train.label_names, options.train.seed,
                                                    /*require_head=*/false);
  const auto tokenize = [&](const data::TextDataset& texts) {
    return data::TokenizedTexts(texts, directory.tokenizer, 128, options.threads);
  };
  training::TextBatching batching;
  batching.seed = options.train.seed;
  batching.train_batch_size = options.train.per_device_train_batch_size;
  batching.eval_batch_size = 64;
  training::TextClassificationTask task(
      *model, tokenize(train), tokenize(held_out), batching, [](const std::filesystem::path&) {},
      options.train.compute());
  NoisyMethod method(options, task);
  training::Trainer trainer(options.train, task, method);
  // As summary.json: over the last tenth of the steps.
  const int64_t last = std::max<int64_t>(20, trainer.total_steps() / 10);
  double loss = 0;
  while (trainer.steps_done() < trainer.total_steps()) {
    const auto step = trainer.step();
    if (step.step > trainer.total_steps() - last) loss += step.loss / static_cast<double>(last);
  }
  trainer.finish_updates();
  const auto predictions = training::predict(*model, tokenize(held_out), batching.eval_batch_size);
  std::string correct;
  double hits = 0;
  for (size_t i = 0; i < predictions.labels.size(); ++i) {
    const bool hit = predictions.labels[i] == predictions.classes[i];
    correct += hit ? '1' : '0';
    hits += hit ? 1 : 0;
  }
  std::cout << nlohmann::json{{"train_loss", loss},
                              {"eval_loss", predictions.loss},
                              {"eval_accuracy", hits / static_cast<double>(correct.size())},
                              {"correct", correct}}
            << std::endl;
}

}  // namespace

int main(int count, char** values) {
  CLI::App app("Exact training with noise of a share of SGD's variance");
  Options options;
  options.train.num_train_epochs = 1;
  options.train.per_device_train_batch_size = 32;
  options.train.warmup_ratio = 0.1;
  app.option_defaults()->always_capture_default();
  app.add_option("--model_name_or_path", options.model_name_or_path, "Hugging Face folder")->required();
  app.add_option("--train_file", options.train_file, "texts")->required();
  app.add_option("--validation_file", options.validation_file, "held-out texts")->required();
  app.add_option("--threads", options.threads, "of PyTorch and OpenMP");
  app.add_option("--share", options.share, "variance of the noise, of V_s, tensor by tensor");
  app.add_option("--interval", options.interval, "steps from one measurement of V_s to the next");
  app.add_option("--learning_rate", options.train.learning_rate, "AdamW's highest");
  app.add_option("--seed", options.train.seed, "of head, order, dropout and noise");
  CLI11_PARSE(app, count, values);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::cerr << "gradient_noise: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
