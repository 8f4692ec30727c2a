#include <algorithm>
#include <cctype>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "report/chart.h"
#include "report/metric.h"
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

/// Those of the summary, or of the evaluations so far.
Metrics metrics_of_run(const RunFiles& files) {
  if (!files.summary.is_null()) return metrics_of_summary(files.summary);
  Metrics metrics;
  for (const auto& line : files.evaluations) {
    for (const auto& [name, _] : line.metrics) add_new(metrics, {{name, known_direction(name)}});
  }
  return metrics;
}

/// A run from before evaluations.jsonl has the summary's evaluation alone.
std::vector<EvaluationLine> evaluations_of(const RunFiles& files) {
  if (!files.evaluations.empty() || files.summary.is_null()) return files.evaluations;
  EvaluationLine last;
  last.step = files.summary.at("steps").get<int64_t>();
  for (const auto& metric : metrics_of_run(files)) {
    if (const auto value = evaluated(files.summary, metric.name)) last.metrics[metric.name] = *value;
  }
  return {last};
}

std::vector<Curve> evaluation_curves(const std::vector<ShownRun>& runs, const std::string& metric) {
  std::vector<Curve> curves;
  for (const auto& run : runs) {
    auto curve = empty_curve(run);
    for (const auto& line : evaluations_of(*run.files)) {
      const auto found = line.metrics.find(metric);
      if (found == line.metrics.end()) continue;
      curve.x.push_back(static_cast<double>(line.step));
      curve.y.push_back(found->second);
    }
    curves.push_back(std::move(curve));
  }
  return curves;
}

/// A name of a metric as an element of the page may have it for an id.
std::string id_of(const std::string& metric) {
  std::string id = metric;
  std::replace_if(
      id.begin(), id.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '-');
  return id;
}

std::string capitalized(std::string text) {
  if (!text.empty()) text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  return text;
}

nlohmann::json evaluation_chart(const std::vector<ShownRun>& runs, const MeasuredMetric& metric) {
  const auto name = shown_name(metric.name);
  const bool is_loss = metric.name == kLoss;
  return curve_chart(is_loss ? "evaluation-loss" : id_of(metric.name),
                     capitalized(name) + " on held-out examples", direction_note(metric),
                     evaluation_curves(runs, metric.name), axis("step"),
                     axis(is_loss ? "evaluation loss" : name), true);
}

/// The loss last.
std::vector<nlohmann::json> evaluation_charts(const std::vector<ShownRun>& runs) {
  Metrics metrics;
  for (const auto& run : runs) add_new(metrics, metrics_of_run(*run.files));
  std::stable_partition(metrics.begin(), metrics.end(),
                        [](const auto& metric) { return metric.name != kLoss; });
  std::vector<nlohmann::json> charts;
  for (const auto& metric : metrics) charts.push_back(evaluation_chart(runs, metric));
  return charts;
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
  std::vector<nlohmann::json> drawn = {
      curve_chart("loss-over-steps", "Training loss over steps", mean, loss_curves(runs, by_step),
                  axis("step"), axis("training loss"), true),
      curve_chart("loss-over-time", "Training loss over time",
                  "Time of training steps, without loading and evaluation.", loss_curves(runs, by_time),
                  axis("seconds of training"), axis("training loss"), true),
      curve_chart("loss-over-flops", "Training loss over work done",
                  "Work spent on adaptation counts. Runs of an older vcas: their total, shared out by steps.",
                  loss_curves(runs, by_flops), flops_axis(), axis("training loss"), true)};
  for (auto& chart : evaluation_charts(runs)) drawn.push_back(std::move(chart));
  auto charts = nlohmann::json::array();
  for (auto& chart : drawn) {
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
