// sampling_trials: fine-tunes a classifier by VCAS as `vcas train` does, and at some micro-batches runs
// further backward passes over the same forward, under other ways to spend the variance budget.
// better_sampling.py is its client.
//   Out: JSON lines.
//   A pass of SampleA alone: {"batch", "way", "s", "squared_error", "gradient_square", "flops",
//   "exact_flops", "seconds"}
//     way: "plain" (keep ratios of earlier batches at s, as the controller has them), "own batch" (those of
//     the batch's own norms), "tilt x" (1-s of the block nearest the output e^x times that of the block
//     nearest the input).
//   A window's SampleW: {"window", "tau", "way": "each weight" | "total", "variance", "flops"}: row keep
//   ratios that
//     reach the budget weight by weight, or the same total variance at least cost.
#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "control/gradient_dispersion.h"
#include "control/nested_replay.h"
#include "control/window.h"
#include "training/controlled_parameters.h"
#include "vcas/data/dataset.h"
#include "vcas/data/tokenized_texts.h"
#include "vcas/sampling/distance.h"
#include "vcas/sampling/variance.h"
#include "vcas/training/methods.h"
#include "vcas/training/options.h"
#include "vcas/training/text_classification_task.h"
#include "vcas/training/text_model_directory.h"
#include "vcas/training/trainer.h"

namespace {

namespace control = vcas::control;
namespace data = vcas::data;
namespace models = vcas::models;
namespace sampling = vcas::sampling;
namespace training = vcas::training;

/// Draw numbers of trials, above those of adaptations.
constexpr int64_t kFirstDraw = 226;

struct Options {
  std::filesystem::path model_name_or_path, train_file;
  int threads = 2;
  int64_t first = 100;
  int64_t batches = 24;
  int64_t draws = 4;
  std::vector<double> s = {0.8, 0.9, 0.95};
  std::vector<std::string> ways = {"plain", "own batch", "tilt -0.5", "tilt 0.5"};
  std::vector<double> tilts = {-0.5, 0.5};
  double row_s = 0.9;  ///< SampleA under which SampleW is tried
  std::vector<double> tau = {0.01, 0.025, 0.1};
  training::TrainOptions train;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<at::Tensor> norms_of(const std::vector<sampling::SamplingStats>& blocks) {
  std::vector<at::Tensor> norms;
  for (const auto& block : blocks) norms.push_back(block.sample_norms);
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

/// Ways to spend SampleW's budget, over windows of two batches.
class RowTrials {
 public:
  RowTrials(const Options& options, const control::SamplingLayout& layout,
            const std::vector<models::NamedParameter>& parameters, const std::vector<size_t>& controlled)
      : options_(options), layout_(layout) {
    for (const size_t i : controlled) sizes_.push_back(static_cast<double>(parameters[i].value.numel()));
  }

  void add(control::WindowBatch batch, const std::vector<at::Tensor>& gradients) {
    gradients_.add(gradients);
    batches_.push_back(std::move(batch));
  }

  void report() const {
    const auto variances = gradients_.variances();
    for (size_t first = 0; first + 1 < batches_.size(); first += 2) {
      const auto linears = outcomes_of({batches_.begin() + static_cast<std::ptrdiff_t>(first),
                                        batches_.begin() + static_cast<std::ptrdiff_t>(first) + 2});
      for (const double tau : options_.tau) {
        std::vector<double> each;
        double variance = 0;
        for (const auto& linear : linears) {
          const double budget = 0.8 * tau * variances[linear.gradient];
          each.push_back(control::solve_row_keep_ratio(linear.outcomes, budget, kSmallest));
          variance += control::mean_row_variance(linear.outcomes, each.back());
        }
        std::vector<double> unit(linears.size(), 1), of_own;
        double relative = 0;
        for (size_t w = 0; w < linears.size(); ++w) {
          of_own.push_back(1 / variances[linears[w].gradient]);
          relative += of_own[w] * control::mean_row_variance(linears[w].outcomes, each[w]);
        }
        print(first / 2, tau, "each weight", linears, each, of_own);
        print(first / 2, tau, "total", linears, cheapest(linears, variance, unit), of_own);
        print(first / 2, tau, "relative", linears, cheapest(linears, relative, of_own), of_own);
      }
    }
  }

 private:
  static constexpr double kSmallest = 0.02;

  struct LinearOutcomes {
    size_t gradient;
    double row_flops;
    std::vector<control::SampledRows> outcomes;
  };

  std::vector<LinearOutcomes> outcomes_of(const std::vector<control::WindowBatch>& window) const {
    const auto rho = control::mean_keep_ratios(control::norms_of(window), {}, options_.row_s);
    std::vector<LinearOutcomes> linears;
    for (size_t l = 0; l < layout_.blocks.size(); ++l) {
      for (size_t i = 0; i < layout_.blocks[l].size(); ++i) {
        const auto& linear = layout_.blocks[l][i];
        const auto gradient = static_cast<size_t>(linear.gradient_index);
        auto& result = linears.emplace_back(LinearOutcomes{gradient, 2 * sizes_[gradient], {}});
        sampling::StreamKey stream;
        stream.site = sampling::Site::draw_replay;
        for (const auto& batch : window) {
          ++stream.rank;
          for (stream.draw = 0; stream.draw < 16; ++stream.draw) {
            const auto draw = control::replay_draw(batch, rho, sampling::DrawMethod::fixed, stream);
            result.outcomes.push_back(control::sampled_rows(linear, l, i, batch, draw));
          }
        }
      }
    }
    return linears;
  }

  /// Σ cost least with Σ variance at most `variance`: each ratio minimises cost + multiplier · variance.
  static std::vector<double> cheapest(const std::vector<LinearOutcomes>& linears, double variance,
                                      const std::vector<double>& units) {
    constexpr int kGrid = 60, kBisections = 40;
    std::vector<double> grid;
    for (int i = 0; i <= kGrid; ++i) grid.push_back(std::pow(kSmallest, 1 - static_cast<double>(i) / kGrid));
    std::vector<std::vector<double>> curve;
    for (const auto& linear : linears) {
      auto& values = curve.emplace_back();
      for (const double ratio : grid)
        values.push_back(units[curve.size() - 1] * control::mean_row_variance(linear.outcomes, ratio));
    }
    double low = -60, high = 60;  // logarithm of the multiplier
    std::vector<double> ratios(linears.size(), 1);
    for (int step = 0; step < kBisections; ++step) {
      const double multiplier = std::exp((low + high) / 2);
      double total = 0;
      std::vector<double> tried;
      for (size_t w = 0; w < linears.size(); ++w) {
        const double cost = rows(linears[w]) * linears[w].row_flops;
        size_t best = 0;
        for (size_t i = 0; i < grid.size(); ++i) {
          const auto price = [&](size_t place) { return cost * grid[place] + multiplier * curve[w][place]; };
          if (price(i) < price(best)) best = i;
        }
        tried.push_back(grid[best]);
        total += curve[w][best];
      }
      if (total <= variance) {
        ratios = tried;
        high = (low + high) / 2;
      } else {
        low = (low + high) / 2;
      }
    }
    return ratios;
  }

  static double rows(const LinearOutcomes& linear) {
    double sum = 0;
    for (const auto& outcome : linear.outcomes) sum += static_cast<double>(outcome.rows);
    return sum / static_cast<double>(linear.outcomes.size());
  }

  static void print(size_t window, double tau, const std::string& way,
                    const std::vector<LinearOutcomes>& linears, const std::vector<double>& ratios,
                    const std::vector<double>& of_own) {
    double variance = 0, flops = 0, all = 0, relative = 0, worst = 0;
    for (size_t w = 0; w < linears.size(); ++w) {
      const double added = control::mean_row_variance(linears[w].outcomes, ratios[w]);
      variance += added;
      relative += of_own[w] * added / static_cast<double>(linears.size());
      worst = std::max(worst, of_own[w] * added);
      flops += ratios[w] * rows(linears[w]) * linears[w].row_flops;
      all += rows(linears[w]) * linears[w].row_flops;
    }
    std::cout << nlohmann::json{{"window", window},     {"tau", tau},     {"way", way},
                                {"variance", variance}, {"flops", flops}, {"flops_of_all_rows", all},
                                {"relative", relative}, {"worst", worst}}
              << std::endl;
  }

  const Options& options_;
  const control::SamplingLayout& layout_;
  std::vector<double> sizes_;
  control::GradientDispersion gradients_;
  std::vector<control::WindowBatch> batches_;
};

/// VCAS, and trials at the micro-batches that are asked for.
class TrialMethod final : public training::Method {
 public:
  TrialMethod(const Options& options, const training::Task& task)
      : options_(options),
        method_(training::make_method({}, task, options.train.seed)),
        layout_(training::sampling_layout(task.parameters(), task.sampled_linears())),
        controlled_(training::controlled_parameters(task.parameters())),
        rows_(options_, layout_, task.parameters(), controlled_) {}

  std::string_view name() const override { return "trials"; }
  training::MicroBatchGradient backward(const training::MicroBatch& batch, double loss_scale) override {
    if (batch.number >= options_.first - 2 && !is_over() && batch.full_size) observe(batch);
    return method_->backward(batch, loss_scale);
  }
  bool is_over() const { return seen_ == options_.batches; }
  void report() const { rows_.report(); }

 private:
  void observe(const training::MicroBatch& batch) {
    const auto exact = batch.pass->backward({.want_stats = true, .last_pass = false});
    const auto gradients = training::select(exact.gradients, controlled_);
    const auto norms = norms_of(exact.blocks);
    if (history_.size() == 2) {
      try_samples(batch, norms, gradients);
      control::BatchObservation observation;
      observation.offsets = batch.offsets;
      observation.exact = exact.blocks;
      observation.exact_gradients = gradients;
      rows_.add(control::window_batch(observation), gradients);
      ++seen_;
      history_.erase(history_.begin());
    }
    history_.push_back(norms);
  }

  void try_samples(const training::MicroBatch& batch, const std::vector<at::Tensor>& norms,
                   const std::vector<at::Tensor>& gradients) {
    double square = 0;
    for (const auto& gradient : gradients) square += sampling::squared_norm(gradient);
    for (const double s : options_.s) {
      std::vector<std::pair<std::string, std::vector<double>>> ways = {
          {"plain", control::mean_keep_ratios(history_, {}, s)},
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

  void try_pass(const training::MicroBatch& batch, const std::string& way, double s,
                const std::vector<double>& ratios, int64_t draw, const std::vector<at::Tensor>& gradients,
                double square) const {
    sampling::SamplingPlan plan;
    plan.sampled = true;
    plan.draw_number = kFirstDraw + draw;
    plan.sample_keep_ratio = ratios;
    for (const auto& block : layout_.blocks) plan.row_keep_ratio.emplace_back(block.size(), 1);
    const auto start = std::chrono::steady_clock::now();
    const auto pass = batch.pass->backward({.plan = plan, .last_pass = false});
    const double seconds = seconds_since(start);
    const double error = sampling::squared_distance(training::select(pass.gradients, controlled_), gradients);
    std::cout << nlohmann::json{{"batch", batch.number},
                                {"way", way},
                                {"s", s},
                                {"squared_error", error},
                                {"gradient_square", square},
                                {"flops", pass.flops},
                                {"exact_flops", batch.pass->exact_backward_flops()},
                                {"seconds", seconds}}
              << std::endl;
  }

  const Options& options_;
  std::unique_ptr<training::Method> method_;
  control::SamplingLayout layout_;
  std::vector<size_t> controlled_;
  RowTrials rows_;
  std::vector<std::vector<at::Tensor>> history_;  ///< norms of the two micro-batches before, by block
  int64_t seen_ = 0;
};

void run(const Options& options) {
  at::set_num_threads(options.threads);
  const auto directory = training::read_text_model_directory(options.model_name_or_path);
  const auto texts = data::read_training_file(options.train_file, {});
  const auto model = training::load_text_classifier(directory, texts.label_names, options.train.seed,
                                                    /*require_head=*/false);
  training::TextBatching batching;
  batching.seed = options.train.seed;
  batching.train_batch_size = options.train.per_device_train_batch_size;
  training::TextClassificationTask task(
      *model, data::TokenizedTexts(texts, directory.tokenizer, 128, options.threads), std::nullopt, batching,
      [](const std::filesystem::path&) {}, options.train.compute());
  TrialMethod method(options, task);
  training::Trainer trainer(options.train, task, method);
  while (!method.is_over() && trainer.steps_done() < trainer.total_steps()) trainer.step();
  method.report();
}

}  // namespace

int main(int count, char** values) {
  CLI::App app("Ways to spend a variance budget, tried on real gradients");
  Options options;
  options.train.num_train_epochs = 1;
  options.train.per_device_train_batch_size = 32;
  options.train.warmup_ratio = 0.1;
  app.option_defaults()->always_capture_default();
  app.add_option("--model_name_or_path", options.model_name_or_path, "Hugging Face folder")->required();
  app.add_option("--train_file", options.train_file, "texts")->required();
  app.add_option("--threads", options.threads, "of PyTorch and OpenMP");
  app.add_option("--first", options.first, "micro-batch of the first trial");
  app.add_option("--batches", options.batches, "that are tried");
  app.add_option("--ways", options.ways, "which are tried")->delimiter(',');
  app.add_option("--draws", options.draws, "of each way and s, at most 30");
  app.add_option("--learning_rate", options.train.learning_rate, "AdamW's highest");
  app.add_option("--seed", options.train.seed, "of head, order, dropout and draws");
  CLI11_PARSE(app, count, values);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::cerr << "sampling_trials: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
