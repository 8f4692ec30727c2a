#include "vcas/training/loop/evaluation.h"

#include <fmt/format.h>

#include <algorithm>

namespace vcas::training {

const Metric* Evaluation::find(std::string_view name) const {
  const auto found =
      std::find_if(metrics.begin(), metrics.end(), [&](const auto& metric) { return metric.name == name; });
  return found == metrics.end() ? nullptr : &*found;
}

nlohmann::json to_json(const Evaluation& evaluation, int64_t step) {
  nlohmann::json line = {{"step", step}, {"examples", evaluation.examples}};
  for (const auto& metric : evaluation.metrics) line[metric.name] = metric.value;
  return line;
}

nlohmann::json evaluation_summary(const std::optional<Evaluation>& evaluation) {
  if (!evaluation) return {{"eval_loss", nullptr}, {"eval_accuracy", nullptr}};
  nlohmann::json summary = {{"eval_metrics", nlohmann::json::array()}};
  for (const auto& metric : evaluation->metrics) {
    summary["eval_" + metric.name] = metric.value;
    summary["eval_metrics"].push_back(
        {{"name", metric.name}, {"greater_is_better", metric.greater_is_better}});
  }
  return summary;
}

std::map<std::string, std::vector<double>> per_example_values(const Evaluation& evaluation) {
  std::map<std::string, std::vector<double>> values;
  for (const auto& metric : evaluation.metrics) {
    if (!metric.per_example.empty()) values[metric.name] = metric.per_example;
  }
  return values;
}

std::string headline(const Evaluation& evaluation) {
  constexpr size_t kShown = 2;
  std::string text;
  for (size_t i = 0; i < std::min(kShown, evaluation.metrics.size()); ++i) {
    const auto& metric = evaluation.metrics[i];
    text += fmt::format("{}{} {:.4f}", i == 0 ? "" : ", ", metric.name, metric.value);
  }
  return fmt::format("{} over {} examples", text, evaluation.examples);
}

}  // namespace vcas::training
