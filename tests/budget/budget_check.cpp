// Trains MiniLM on WordNet's glosses by VCAS, stops at some points, measures the variances there by brute
// force and prints how much of its budgets the controller spends: a table on stderr, JSON on stdout.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "variances.h"
#include "vcas/tasks/text_classification.h"
#include "vcas/training/loop/trainer.h"
#include "vcas/training/methods/vcas.h"

namespace {

using nlohmann::json;
namespace training = vcas::training;
namespace control = vcas::control;

struct Options {
  std::string model;
  std::vector<int64_t> points{300, 600, 900};
  int64_t total_steps = 1250;
  std::string policy = "solve", draw = "fixed";
  control::ControllerOptions controller;
  uint64_t seed = 42;
  vcas::budget::Effort effort;
};

Options parse(int argc, char** argv) {
  Options options;
  CLI::App app{"Measures by brute force how much of its variance budgets VCAS spends."};
  app.add_option("--model_name_or_path", options.model, "folder of the pre-trained model")->required();
  app.add_option("--points", options.points, "steps after which to measure, ascending")->delimiter(',');
  app.add_option("--max_steps", options.total_steps, "length of the run that the schedule is made for");
  app.add_option("--controller", options.policy)->check(CLI::IsMember({"solve", "paper"}));
  app.add_option("--draw", options.draw)->check(CLI::IsMember({"fixed", "bernoulli"}));
  app.add_option("--cal_var_freq", options.controller.cal_var_freq, "micro-batches between adaptations");
  app.add_option("--seed", options.seed);
  app.add_option("--sgd_batches", options.effort.sgd_batches)->check(CLI::Range(64, 100000));
  app.add_option("--activation_batches", options.effort.activation_batches)->check(CLI::Range(8, 64));
  app.add_option("--draws_per_batch", options.effort.draws_per_batch)->check(CLI::Range(1, 100));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  options.controller.policy = options.policy == "paper" ? control::Policy::paper : control::Policy::solve;
  options.controller.draw_method =
      options.draw == "fixed" ? vcas::sampling::DrawMethod::fixed : vcas::sampling::DrawMethod::bernoulli;
  return options;
}

/// The plan of the present training passes, from what the method reports for the log.
vcas::sampling::SamplingPlan present_plan(const training::SamplingStatus& status,
                                          const vcas::sampling::SamplingLayout& layout,
                                          vcas::sampling::DrawMethod draw) {
  vcas::sampling::SamplingPlan plan;
  plan.sampled = true;
  plan.draw_method = draw;
  plan.sample_keep_ratio = status.sample_keep_ratio;
  for (const auto& block : layout.blocks) {
    auto& ratios = plan.row_keep_ratio.emplace_back();
    for (const auto& weight : block.weights) ratios.push_back(status.row_keep_ratio.at(weight.name));
  }
  return plan;
}

json report(int64_t step, const training::SamplingStatus& status, const vcas::budget::Variances& measured) {
  json weights = json::array();
  double sgd = 0, sampling = 0;
  for (const auto& weight : measured.weights) {
    weights.push_back({{"name", weight.name},
                       {"nu", weight.keep_ratio},
                       {"rows", weight.rows},
                       {"v_s", weight.sgd},
                       {"v_w", weight.sampling}});
    sgd += weight.sgd;
    sampling += weight.sampling;
  }
  const auto& last = *status.last_adaptation;
  return {{"step", step},
          {"s", status.s.value()},
          {"rho", status.sample_keep_ratio},
          {"v_s", measured.sgd},
          {"v_act", measured.activation},
          {"v_act_standard_error", measured.activation_error},
          {"activation_ratio", measured.activation / measured.sgd},
          {"weight_ratio", sampling / sgd},
          {"v_w", sampling},
          {"weights", weights},
          {"batch_squared_norms", measured.squared_norms},
          {"controller", {{"v_s", last.v_sgd}, {"v_act", last.v_act}, {"v_w", last.v_w}}}};
}

void print(const json& point) {
  const auto mean = [](const json& values) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
  };
  fmt::print(stderr, "step {}: s {:.4f}, mean rho {:.3f}\n", point["step"].get<int64_t>(),
             point["s"].get<double>(), mean(point["rho"]));
  fmt::print(stderr, "  V_act/V_s {:.5f} (V_act ± {:.0f} %), sum V_w/V_s,w {:.5f}\n",
             point["activation_ratio"].get<double>(),
             100 * point["v_act_standard_error"].get<double>() / point["v_act"].get<double>(),
             point["weight_ratio"].get<double>());
  const auto& said = point["controller"];
  fmt::print(stderr,
             "  measured (controller's): V_s {:.4g} ({:.4g}), V_act {:.4g} ({:.4g}), V_w {:.4g} ({:.4g})\n",
             point["v_s"].get<double>(), said["v_s"].get<double>(), point["v_act"].get<double>(),
             said["v_act"].get<double>(), point["v_w"].get<double>(), said["v_w"].get<double>());
  auto norms = point["batch_squared_norms"].get<std::vector<double>>();
  std::sort(norms.begin(), norms.end());
  fmt::print(stderr, "  squared norms of the batches: median {:.4g}, largest {:.4g}\n",
             norms[norms.size() / 2], norms.back());
  for (const auto& weight : point["weights"])
    fmt::print(stderr, "    {:<58} nu {:.3f} rows {:6.1f} V_w/V_s,w {:.5f}\n",
               weight["name"].get<std::string>(), weight["nu"].get<double>(), weight["rows"].get<double>(),
               weight["v_w"].get<double>() / weight["v_s"].get<double>());
}

json run(const Options& options) {
  training::TrainOptions train;
  train.learning_rate = 1e-4;
  train.warmup_ratio = 0.1;
  train.per_device_train_batch_size = 32;
  train.max_steps = options.total_steps;
  train.seed = options.seed;
  vcas::tasks::TextClassificationOptions data;
  data.model_name_or_path = options.model;
  data.dataset = "wordnet-nouns";
  const auto task = vcas::tasks::load_text_classification(data, train);
  const auto layout = task->model().layout();
  training::VcasMethod method(options.controller, task->model(), options.seed);
  training::Trainer trainer(train, *task, method);
  json points = json::array();
  for (const int64_t point : options.points) {
    while (trainer.steps_done() < point) trainer.step();
    const auto status = method.status().value();
    const auto plan = present_plan(status, layout, options.controller.draw_method);
    // Batches that training comes to next, so that it has not fitted them.
    points.push_back(report(point, status, measure(*task, plan, point, train, options.effort)));
    print(points.back());
  }
  return {{"act_var_tau", options.controller.act_var_tau},
          {"w_var_tau", options.controller.w_var_tau},
          {"row_keep_ratio_min", options.controller.row_keep_ratio_min},
          {"points", points}};
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse(argc, argv);
  fmt::print("{}\n", run(options).dump(2));
  return 0;
}
