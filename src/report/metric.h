#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/comparison.h"

namespace vcas::report {

inline constexpr std::string_view kLoss = "loss";

using Metrics = std::vector<MeasuredMetric>;

/// As "eval_metrics" of a summary lists them; of older runs, its numbers "eval_<name>", the loss first.
/// @throws std::invalid_argument "summary.eval_metrics: expected an array of {...}, got null".
Metrics metrics_of_summary(const nlohmann::json& summary);
/// "eval_<name>" where it is a number.
std::optional<double> evaluated(const nlohmann::json& summary, std::string_view name);

/// Adds those whose names are new.
void add_new(Metrics& all, const Metrics& more);
/// The metric by which a task is judged: the first beside the loss, or the loss. Null without any.
const MeasuredMetric* main_metric(const Metrics& metrics);
/// Metrics of any of the methods.
Metrics metrics_of(const std::vector<MethodResult>& results);
/// The one that is tested by example: the main metric, or the loss where only that is known by example.
const MeasuredMetric* metric_by_example(const Metrics& metrics, const std::vector<MethodResult>& results);

/// Of a name alone, for runs that do not say.
std::optional<bool> known_direction(std::string_view name);
/// Between 0 and 1, and shown in %.
bool is_share(std::string_view name);

/// "macro-F1"; a name that is not known as it stands.
std::string shown_name(std::string_view name);
/// In % where it is a share, which column_title() says.
std::string metric_text(std::string_view name, double value);
/// "accuracy % ↑", "evaluation loss ↓": greater or smaller is better.
std::string column_title(const MeasuredMetric& metric);
/// "Greater is better." Empty where that is not known.
std::string direction_note(const MeasuredMetric& metric);

}  // namespace vcas::report
