#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace vcas::training {

/// A figure of an evaluation.
struct Metric {
  std::string name;  ///< in lower case, as a key of JSON: "accuracy", "macro_f1", "perplexity"
  double value = 0;
  bool greater_is_better = true;
  std::vector<double> per_example;  ///< by example in the data's order; empty: not known by example
};

/// What a task measured on held-out examples.
struct Evaluation {
  int64_t examples = 0;
  /// The loss first, then the metric by which the task is judged: the report gives it a column.
  std::vector<Metric> metrics;

  /// Null where there is none of that name.
  const Metric* find(std::string_view name) const;
};

/// Asked between the batches of an evaluation: whether it is to end here.
using StopRequested = std::function<bool()>;

/// An evaluation ended because it was asked to; it has no result.
class EvaluationStopped : public std::runtime_error {
 public:
  EvaluationStopped() : std::runtime_error("the evaluation was stopped") {}
};

/// A line of evaluations.jsonl: {"step", "examples", "loss", ...}, each metric by its name.
nlohmann::json to_json(const Evaluation& evaluation, int64_t step);

/// Keys of summary.json: "eval_<name>" for each metric, and "eval_metrics", [{"name", "greater_is_better"}]
/// in their order. Without an evaluation eval_loss and eval_accuracy are null and there is no eval_metrics.
nlohmann::json evaluation_summary(const std::optional<Evaluation>& evaluation);

/// Values by example, by the name of the metric, of those that have any: what report::ComparedRun holds.
std::map<std::string, std::vector<double>> per_example_values(const Evaluation& evaluation);

/// "loss 0.6931, accuracy 0.5000 over 100 examples": the first two metrics.
std::string headline(const Evaluation& evaluation);

}  // namespace vcas::training
