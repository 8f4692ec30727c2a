// gradient_noise: fine-tunes a classifier by exact gradients with Gaussian noise added, tensor by tensor,
// whose variance is a share of SGD's own (the dispersion of two batches' gradients, measured anew every so
// many steps). noise.py is its client. Out: one JSON line at the end, {"train_loss", "eval_loss",
// "eval_accuracy", "per_example": {"accuracy"}}.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty_like.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "control/gradient_dispersion.h"
#include "text_run.h"
#include "vcas/nn/parameter.h"
#include "vcas/training/loop/history.h"
#include "vcas/training/loop/method.h"
#include "vcas/training/loop/trainer.h"

namespace {

namespace control = vcas::control;
namespace experiments = vcas::experiments;
namespace nn = vcas::nn;
namespace training = vcas::training;

struct Options {
  experiments::TextRunOptions run;
  double share = 0.8;
  int64_t interval = 50;
};

/// Exact gradients plus noise on the parameters that sampling would touch.
class NoisyMethod final : public training::Method {
 public:
  NoisyMethod(const Options& options, const nn::Model& model)
      : options_(options),
        controlled_(nn::controlled_parameters(model.trainable_parameters())),
        generator_(at::detail::createCPUGenerator(options.run.train.seed)) {}

  std::string_view name() const override { return "noise"; }

  training::MicroBatchGradient backward(training::MicroBatch& batch, double loss_scale) override {
    auto result = batch.pass.backward({.loss_scale = loss_scale});
    const auto gradients = nn::select(result.gradients, controlled_);
    measure(batch.info.number, gradients);
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
  const auto task = experiments::load(options.run);
  NoisyMethod method(options, task->model());
  training::Trainer trainer(options.run.train, *task, method);
  training::RunHistory history;
  while (trainer.steps_done() < trainer.total_steps()) history.add(trainer.step());
  trainer.finish_updates();
  const auto evaluation = task->evaluate().value();
  const auto& accuracy = *evaluation.find("accuracy");
  std::cout << nlohmann::json{{"train_loss", history.train_loss()},
                              {"eval_loss", evaluation.find("loss")->value},
                              {"eval_accuracy", accuracy.value},
                              {"per_example", {{"accuracy", accuracy.per_example}}}}
            << std::endl;
}

}  // namespace

int main(int count, char** values) {
  CLI::App app("Exact training with noise of a share of SGD's variance", "gradient_noise");
  Options options;
  experiments::add_flags(app, options.run);
  app.add_option("--validation_file", options.run.data.validation_file, "held-out texts")->required();
  app.add_option("--share", options.share, "variance of the noise, of V_s, tensor by tensor");
  app.add_option("--interval", options.interval, "steps from one measurement of V_s to the next");
  return experiments::run_experiment(app, count, values, [&] { run(options); });
}
