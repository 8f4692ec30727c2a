// plan_steps: training steps of a BERT of a given size with random weights, exactly and under one fixed
// sampling plan, in turns on the same batches, by one trainer. plan_grid.py is its client.
//   Out: a JSON line a step: {"method", "seconds", "forward", "backward", "flops": {"exact", "performed"}},
//   where seconds is the whole step and forward and backward are parts of it. Pairs of steps (exact first in
//   one, second in the next) see the same batch.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "vcas/models/bert.h"
#include "vcas/training/loop/trainer.h"

namespace {

namespace models = vcas::models;
namespace nn = vcas::nn;
namespace sampling = vcas::sampling;
namespace training = vcas::training;

constexpr int64_t kClasses = 26;

struct Options {
  models::BertConfig config;
  std::vector<int64_t> lengths = {128};
  std::vector<double> sample_keep_ratio = {0.5};
  std::vector<double> row_keep_ratio = {0.5};
  int threads = 2;
  int64_t warmup_pairs = 2;
  int64_t pairs = 10;
  double seconds = 20;
  training::TrainOptions train;
};

void add_flags(CLI::App& app, Options& options) {
  app.option_defaults()->always_capture_default();
  app.add_option("--num_hidden_layers", options.config.num_hidden_layers, "blocks");
  app.add_option("--hidden_size", options.config.hidden_size, "H");
  app.add_option("--intermediate_size", options.config.intermediate_size, "I");
  app.add_option("--num_attention_heads", options.config.num_attention_heads, "heads of a block");
  app.add_option("--per_device_train_batch_size", options.train.per_device_train_batch_size,
                 "samples a step");
  app.add_option("--lengths", options.lengths, "rows of each sample, used in a circle")->delimiter(',');
  app.add_option("--sample_keep_ratio", options.sample_keep_ratio,
                 "rho by block, block nearest the input first, stretched over the blocks")
      ->delimiter(',');
  app.add_option("--row_keep_ratio", options.row_keep_ratio, "nu of all linears of a block, likewise")
      ->delimiter(',');
  app.add_option("--bf16", options.train.bf16, "linears multiply in bfloat16");
  app.add_option("--gradient_checkpointing", options.train.gradient_checkpointing,
                 "blocks keep only their input");
  app.add_option("--threads", options.threads, "of PyTorch and OpenMP");
  app.add_option("--warmup_pairs", options.warmup_pairs, "of steps, not reported");
  app.add_option("--pairs", options.pairs, "of steps, at least");
  app.add_option("--seconds", options.seconds, "pairs are taken until so much time has passed");
}

/// Values at `count` equal distances along the given ones.
std::vector<double> stretched(const std::vector<double>& values, int64_t count) {
  std::vector<double> result;
  for (int64_t i = 0; i < count; ++i) {
    const double place = count == 1 ? 0
                                    : static_cast<double>(i) * static_cast<double>(values.size() - 1) /
                                          static_cast<double>(count - 1);
    const auto before = static_cast<size_t>(place);
    const size_t after = std::min(before + 1, values.size() - 1);
    const double share = place - static_cast<double>(before);
    result.push_back((1 - share) * values[before] + share * values[after]);
  }
  return result;
}

sampling::SamplingPlan plan_of(const Options& options, const sampling::SamplingLayout& layout) {
  const auto blocks = static_cast<int64_t>(layout.blocks.size());
  const auto row_keep_ratio = stretched(options.row_keep_ratio, blocks);
  sampling::SamplingPlan plan;
  plan.sampled = true;
  plan.sample_keep_ratio = stretched(options.sample_keep_ratio, blocks);
  for (size_t i = 0; i < layout.blocks.size(); ++i)
    plan.row_keep_ratio.emplace_back(layout.blocks[i].weights.size(), row_keep_ratio[i]);
  return plan;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Random token ids in samples of the given lengths. An epoch is one batch, and epochs 2i and 2i+1 have the
/// same one.
class RandomTexts final : public training::TaskOf<models::TextBatch> {
 public:
  explicit RandomTexts(const Options& options)
      : options_(options),
        model_(models::make_bert_classifier(options.config,
                                            models::initial_bert_backbone(options.config, /*seed=*/1),
                                            /*seed=*/1, /*require_head=*/false)
                   .model) {}

  models::TextClassifier& model() override { return *model_; }
  std::vector<int64_t> lengths() const override { return lengths_of(0); }
  double forward_seconds = 0;  ///< of the last forward pass

 protected:
  models::TextBatch make_batch(const training::BatchRequest& request) const override {
    const int64_t number = request.visits.front().visit / 2;
    auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(number));
    std::vector<int64_t> offsets{0};
    for (const int64_t length : lengths_of(number)) offsets.push_back(offsets.back() + length);
    models::TextBatch batch;
    batch.offsets = at::tensor(offsets);
    batch.token_ids = at::randint(options_.config.vocab_size, {offsets.back()}, generator, at::kLong);
    batch.token_type_ids = at::zeros_like(batch.token_ids);
    batch.labels = at::randint(kClasses, {batch.size()}, generator, at::kLong);
    return batch;
  }

  nn::Pass forward_batch(const models::TextBatch& batch, const nn::PassOptions& options) override {
    const auto start = std::chrono::steady_clock::now();
    auto pass = model_->forward(batch, options);
    forward_seconds = seconds_since(start);
    return pass;
  }

 private:
  std::vector<int64_t> lengths_of(int64_t number) const {
    const int64_t count = options_.train.per_device_train_batch_size;
    std::vector<int64_t> lengths;
    for (int64_t i = number * count; i < (number + 1) * count; ++i)
      lengths.push_back(options_.lengths[static_cast<size_t>(i) % options_.lengths.size()]);
    return lengths;
  }

  const Options& options_;
  std::unique_ptr<models::TextClassifier> model_;
};

/// Backward passes under whichever plan is set.
class PlanMethod final : public training::Method {
 public:
  std::string_view name() const override { return "plan"; }
  training::MicroBatchGradient backward(training::MicroBatch& batch, double loss_scale) override {
    const auto start = std::chrono::steady_clock::now();
    auto result = batch.pass.backward({.plan = plan, .loss_scale = loss_scale});
    backward_seconds = seconds_since(start);
    return {std::move(result.gradients), result.flops, 0};
  }

  sampling::SamplingPlan plan;
  double backward_seconds = 0;  ///< of the last backward pass
};

void run(const Options& options) {
  at::set_num_threads(options.threads);
  RandomTexts task(options);
  PlanMethod method;
  training::Trainer trainer(options.train, task, method);
  const auto sampled = plan_of(options, task.model().layout());

  const auto step = [&](bool exact) {
    method.plan = exact ? sampling::SamplingPlan() : sampled;
    const auto report = trainer.step();
    return nlohmann::json{{"method", exact ? "exact" : "vcas"},
                          {"seconds", report.seconds},
                          {"forward", task.forward_seconds},
                          {"backward", method.backward_seconds},
                          {"flops", {{"exact", report.flops.exact}, {"performed", report.flops.performed}}}};
  };
  for (int64_t pair = 0; pair < 2 * options.warmup_pairs; ++pair) step(pair % 2 == 0);
  const auto start = std::chrono::steady_clock::now();
  for (int64_t pair = 0; pair < options.pairs || seconds_since(start) < options.seconds; ++pair) {
    const bool exact_first = pair % 2 == 0;
    std::cout << step(exact_first) << '\n';
    std::cout << step(!exact_first) << std::endl;
  }
}

}  // namespace

int main(int count, char** values) {
  CLI::App app("Training steps of a random BERT, exactly and under one plan, for benchmarks");
  Options options;
  options.config.num_labels = kClasses;
  options.train.per_device_train_batch_size = 32;
  options.train.max_steps = int64_t{1} << 40;
  options.train.lr_scheduler_type = training::SchedulerType::constant;
  add_flags(app, options);
  CLI11_PARSE(app, count, values);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::cerr << "plan_steps: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
