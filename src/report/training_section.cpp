#include <cmath>
#include <utility>

#include "report/chart.h"
#include "report/shown_run.h"

namespace vcas::report {
namespace {

constexpr const char* kFlops = "floating-point operations performed";

Curve empty_curve(const ShownRun& run) { return {run.name, run.group, run.color, "", false, {}, {}}; }

/// @param x of a line, or not a number where it has none.
template <typename X>
std::vector<Curve> loss_curves(const std::vector<ShownRun>& runs, const X& x) {
  std::vector<Curve> curves;
  for (const auto& run : runs) {
    auto curve = empty_curve(run);
    for (const auto& line : run.files->metrics) {
      if (!std::isfinite(x(line))) continue;
      curve.x.push_back(x(line));
      curve.y.push_back(line.loss);
    }
    curves.push_back(std::move(curve));
  }
  return curves;
}

/// A run from before evaluations.jsonl has the summary's evaluation alone.
std::vector<EvaluationLine> evaluations_of(const RunFiles& files) {
  if (!files.evaluations.empty() || files.summary.is_null()) return files.evaluations;
  const auto accuracy = files.summary.value("eval_accuracy", nlohmann::json());
  const auto loss = files.summary.value("eval_loss", nlohmann::json());
  if (!accuracy.is_number() || !loss.is_number()) return {};
  return {{files.summary.at("steps").get<int64_t>(), loss.get<double>(), accuracy.get<double>()}};
}

std::vector<Curve> evaluation_curves(const std::vector<ShownRun>& runs, double EvaluationLine::*value) {
  std::vector<Curve> curves;
  for (const auto& run : runs) {
    auto curve = empty_curve(run);
    for (const auto& line : evaluations_of(*run.files)) {
      curve.x.push_back(static_cast<double>(line.step));
      curve.y.push_back(line.*value);
    }
    curves.push_back(std::move(curve));
  }
  return curves;
}

nlohmann::json legend_of(const std::vector<ShownRun>& runs) {
  auto legend = nlohmann::json::array();
  for (const auto& run : runs) {
    if (run.color == legend.size()) legend.push_back({{"name", run.group}, {"color", run.color}});
  }
  return legend;
}

nlohmann::json flops_axis() {
  auto flops = axis(kFlops);
  flops["exponentformat"] = "SI";
  return flops;
}

}  // namespace

nlohmann::json training_section(const std::vector<ShownRun>& runs) {
  const auto by_step = [](const MetricsLine& line) { return static_cast<double>(line.step); };
  const auto by_time = [](const MetricsLine& line) { return line.seconds; };
  const auto by_flops = [](const MetricsLine& line) { return line.flops_performed.value_or(NAN); };
  const char* mean = "Mean since the line before in metrics.jsonl.";
  auto charts = nlohmann::json::array();
  for (auto chart :
       {curve_chart("loss-over-steps", "Training loss over steps", mean, loss_curves(runs, by_step),
                    axis("step"), axis("training loss"), true),
        curve_chart("loss-over-time", "Training loss over time",
                    "Time of training steps, without loading and evaluation.", loss_curves(runs, by_time),
                    axis("seconds of training"), axis("training loss"), true),
        curve_chart(
            "loss-over-flops", "Training loss over work done",
            "Work spent on adaptation counts. Runs of an older vcas: their total, shared out by steps.",
            loss_curves(runs, by_flops), flops_axis(), axis("training loss"), true),
        curve_chart("accuracy", "Accuracy on held-out examples", "",
                    evaluation_curves(runs, &EvaluationLine::accuracy), axis("step"), axis("accuracy"), true),
        curve_chart("evaluation-loss", "Loss on held-out examples", "",
                    evaluation_curves(runs, &EvaluationLine::loss), axis("step"), axis("evaluation loss"),
                    true)}) {
    if (!chart.is_null()) charts.push_back(std::move(chart));
  }
  if (charts.empty()) return nullptr;
  return {{"id", "training"},
          {"title", "Training"},
          {"text", ""},
          {"legend", legend_of(runs)},
          {"views", {{{"name", ""}, {"charts", std::move(charts)}}}}};
}

}  // namespace vcas::report
