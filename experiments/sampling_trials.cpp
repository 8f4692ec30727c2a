// sampling_trials: fine-tunes a classifier by VCAS as `vcas train` does, and at some micro-batches runs
// further backward passes over the same forward, under other ways to spend the variance budget.
// better_sampling.py is its client.
//   Out: JSON lines.
//   A pass of SampleA alone: {"batch", "way", "s", "squared_error", "gradient_square", "flops",
//   "exact_flops", "seconds"}
//     way: "plain" (keep ratios of earlier batches at s, as the controller has them), "own batch" (those of
//     the batch's own norms), "tilt x" (1-s of the block nearest the output e^x times that of the block
//     nearest the input).
//   A window's SampleW (row_trials.h): {"window", "tau", "way": "each weight" | "total" | "relative",
//   "variance", "flops", "flops_of_all_rows", "relative": mean V_w / V_s, "worst": the largest}
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "control/window.h"
#include "row_trials.h"
#include "sampling/distance.h"
#include "sampling/variance.h"
#include "text_run.h"
#include "vcas/control/sampler.h"
#include "vcas/nn/parameter.h"
#include "vcas/training/loop/trainer.h"
#include "vcas/training/methods/methods.h"

namespace {

namespace control = vcas::control;
namespace experiments = vcas::experiments;
namespace nn = vcas::nn;
namespace sampling = vcas::sampling;
namespace training = vcas::training;

/// Draw numbers of trials, above those of adaptations.
constexpr int64_t kFirstDraw = 226;

struct Options {
  experiments::TextRunOptions run;
  int64_t first = 100;
  int64_t batches = 24;
  int64_t draws = 4;
  std::vector<double> s = {0.8, 0.9, 0.95};
  std::vector<std::string> ways = {"plain", "own batch", "tilt -0.5", "tilt 0.5"};
  std::vector<double> tilts = {-0.5, 0.5};
  experiments::RowTrialOptions rows;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<at::Tensor> norms_of(const sampling::PassStatistics& pass) {
  std::vector<at::Tensor> norms;
  norms.reserve(pass.blocks.size());
  for (const auto& block : pass.blocks) norms.push_back(block.sample_norms);
  return norms;
}

/// rho by block where 1-s differs from block to block; a sample that is dropped cannot return.
std::vector<double> tilted_ratios(const std::vector<at::Tensor>& norms, double s, double tilt) {
  std::vector<double> ratios;
  for (size_t l = 0; l < norms.size(); ++l) {
    const double place = static_cast<double>(l) / static_cast<double>(norms.size() - 1) - 0.5;
    const double rest = std::min(1.0, (1 - s) * std::exp(tilt * place));
    const double ratio = sampling::keep_ratio(norms[l], 1 - rest);
    ratios.push_back(ratios.empty() ? ratio : std::max(ratio, ratios.back()));
  }
  return ratios;
}

/// VCAS, and trials at the micro-batches that are asked for.
class TrialMethod final : public training::Method {
 public:
  TrialMethod(const Options& options, const nn::Model& model)
      : options_(options),
        method_(training::make_method({}, model, options.run.train.seed)),
        layout_(model.layout()),
        controlled_(nn::controlled_parameters(model.trainable_parameters())),
        rows_(options.rows, layout_, nn::select(model.trainable_values(), controlled_)) {}

  std::string_view name() const override { return "trials"; }
  training::MicroBatchGradient backward(training::MicroBatch& batch, double loss_scale) override {
    if (batch.info.number >= options_.first - 2 && !is_over() && batch.info.full_size) observe(batch);
    return method_->backward(batch, loss_scale);
  }
  bool is_over() const { return seen_ == options_.batches; }
  void report() const { rows_.report(); }

 private:
  void observe(training::MicroBatch& batch) {
    const auto exact = batch.pass.backward({.want_statistics = true, .last_pass = false});
    const auto gradients = nn::select(exact.gradients, controlled_);
    const auto norms = norms_of(exact.statistics);
    if (history_.size() == 2) {
      try_samples(batch, norms, gradients);
      rows_.add(control::window_batch({exact.statistics, gradients, {}}, layout_, control::Policy::solve),
                gradients);
      ++seen_;
      history_.erase(history_.begin());
    }
    history_.push_back(norms);
  }

  void try_samples(training::MicroBatch& batch, const std::vector<at::Tensor>& norms,
                   const std::vector<at::Tensor>& gradients) {
    double square = 0;
    for (const auto& gradient : gradients) square += sampling::squared_norm(gradient);
    for (const double s : options_.s) {
      std::vector<std::pair<std::string, std::vector<double>>> ways = {
          {"plain", control::mean_keep_ratios(layout_, history_, {}, s)},
          {"own batch", sampling::keep_ratios(norms, s)}};
      for (const double tilt : options_.tilts) {
        auto ratios = tilted_ratios(history_[0], s, tilt);
        const auto second = tilted_ratios(history_[1], s, tilt);
        for (size_t l = 0; l < ratios.size(); ++l) ratios[l] = (ratios[l] + second[l]) / 2;
        ways.emplace_back("tilt " + nlohmann::json(tilt).dump(), std::move(ratios));
      }
      for (const auto& [way, ratios] : ways) {
        if (std::find(options_.ways.begin(), options_.ways.end(), way) == options_.ways.end()) continue;
        for (int64_t draw = 0; draw < options_.draws; ++draw)
          try_pass(batch, way, s, ratios, draw, gradients, square);
      }
    }
  }

  void try_pass(training::MicroBatch& batch, const std::string& way, double s,
                const std::vector<double>& ratios, int64_t draw, const std::vector<at::Tensor>& gradients,
                double square) const {
    sampling::SamplingPlan plan;
    plan.sampled = true;
    plan.draw_number = kFirstDraw + draw;
    plan.sample_keep_ratio = ratios;
    for (const auto& block : layout_.blocks) plan.row_keep_ratio.emplace_back(block.weights.size(), 1);
    const auto start = std::chrono::steady_clock::now();
    const auto pass = batch.pass.backward({.plan = plan, .last_pass = false});
    const double seconds = seconds_since(start);
    const double error = sampling::squared_distance(nn::select(pass.gradients, controlled_), gradients);
    std::cout << nlohmann::json{{"batch", batch.info.number},
                                {"way", way},
                                {"s", s},
                                {"squared_error", error},
                                {"gradient_square", square},
                                {"flops", pass.flops},
                                {"exact_flops", batch.pass.exact_flops().backward},
                                {"seconds", seconds}}
              << std::endl;
  }

  const Options& options_;
  std::unique_ptr<training::Method> method_;
  sampling::SamplingLayout layout_;
  std::vector<size_t> controlled_;
  experiments::RowTrials rows_;
  std::vector<std::vector<at::Tensor>> history_;  ///< norms of the two micro-batches before, by block
  int64_t seen_ = 0;
};

void run(const Options& options) {
  const auto task = experiments::load(options.run);
  TrialMethod method(options, task->model());
  training::Trainer trainer(options.run.train, *task, method);
  while (!method.is_over() && trainer.steps_done() < trainer.total_steps()) trainer.step();
  method.report();
}

}  // namespace

int main(int count, char** values) {
  CLI::App app("Ways to spend a variance budget, tried on real gradients", "sampling_trials");
  Options options;
  experiments::add_flags(app, options.run);
  app.add_option("--first", options.first, "micro-batch of the first trial");
  app.add_option("--batches", options.batches, "that are tried");
  app.add_option("--ways", options.ways, "which are tried")->delimiter(',');
  app.add_option("--draws", options.draws, "of each way and s, at most 30");
  return experiments::run_experiment(app, count, values, [&] { run(options); });
}
