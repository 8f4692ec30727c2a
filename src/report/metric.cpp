#include "report/metric.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace vcas::report {
namespace {

constexpr std::string_view kPrefix = "eval_";

struct KnownMetric {
  std::string_view name, shown;
  bool greater_is_better, share;
};

constexpr KnownMetric kKnown[] = {
    {"loss", "loss", false, false},
    {"perplexity", "perplexity", false, false},
    {"accuracy", "accuracy", true, true},
    {"top5", "top-5 accuracy", true, true},
    {"f1", "F1", true, true},
    {"macro_f1", "macro-F1", true, true},
    {"matthews", "Matthews correlation", true, false},
};

const KnownMetric* known(std::string_view name) {
  const auto* found = std::find_if(std::begin(kKnown), std::end(kKnown),
                                   [&](const auto& known) { return known.name == name; });
  return found == std::end(kKnown) ? nullptr : found;
}

[[noreturn]] void refuse_list(const nlohmann::json& list) {
  throw std::invalid_argument(fmt::format(
      "summary.eval_metrics: expected an array of {{\"name\": text, \"greater_is_better\": true or "
      "false}}, got {}",
      list.dump()));
}

Metrics listed_metrics(const nlohmann::json& list) {
  if (!list.is_array()) refuse_list(list);
  Metrics metrics;
  for (const auto& entry : list) {
    const auto name = entry.is_object() ? entry.value("name", nlohmann::json()) : nlohmann::json();
    const auto direction =
        entry.is_object() ? entry.value("greater_is_better", nlohmann::json()) : nlohmann::json();
    if (!name.is_string() || !direction.is_boolean()) refuse_list(list);
    metrics.push_back({name.get<std::string>(), direction.get<bool>()});
  }
  return metrics;
}

bool has_name(const Metrics& metrics, std::string_view name) {
  return std::any_of(metrics.begin(), metrics.end(), [&](const auto& metric) { return metric.name == name; });
}

}  // namespace

Metrics metrics_of_summary(const nlohmann::json& summary) {
  if (const auto list = summary.find("eval_metrics"); list != summary.end()) return listed_metrics(*list);
  Metrics metrics;
  for (const auto& [key, value] : summary.items()) {
    if (!key.starts_with(kPrefix) || !value.is_number()) continue;
    const auto name = key.substr(kPrefix.size());
    metrics.insert(name == kLoss ? metrics.begin() : metrics.end(), {name, known_direction(name)});
  }
  return metrics;
}

std::optional<double> evaluated(const nlohmann::json& summary, std::string_view name) {
  const auto found = summary.find(fmt::format("{}{}", kPrefix, name));
  if (found == summary.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

void add_new(Metrics& all, const Metrics& more) {
  for (const auto& metric : more) {
    if (!has_name(all, metric.name)) all.push_back(metric);
  }
}

const MeasuredMetric* main_metric(const Metrics& metrics) {
  if (metrics.empty()) return nullptr;
  const auto found =
      std::find_if(metrics.begin(), metrics.end(), [](const auto& metric) { return metric.name != kLoss; });
  return found == metrics.end() ? &metrics.front() : &*found;
}

Metrics metrics_of(const std::vector<MethodResult>& results) {
  Metrics metrics;
  for (const auto& result : results) {
    for (const auto& measured : result.metrics) add_new(metrics, {measured.metric});
  }
  return metrics;
}

const MeasuredMetric* metric_by_example(const Metrics& metrics, const std::vector<MethodResult>& results) {
  const auto is_tested = [&](const MeasuredMetric& metric) {
    return std::any_of(results.begin(), results.end(), [&](const auto& result) {
      const auto* found = result.find(metric.name);
      return found != nullptr && found->by_example;
    });
  };
  const auto* main = main_metric(metrics);
  if (main == nullptr || is_tested(*main)) return main;
  const auto loss = std::find_if(metrics.begin(), metrics.end(), [&](const auto& metric) {
    return metric.name == kLoss && is_tested(metric);
  });
  return loss == metrics.end() ? main : &*loss;
}

std::optional<bool> known_direction(std::string_view name) {
  const auto* metric = known(name);
  return metric == nullptr ? std::nullopt : std::optional(metric->greater_is_better);
}

bool is_share(std::string_view name) {
  const auto* metric = known(name);
  return metric != nullptr && metric->share;
}

std::string shown_name(std::string_view name) {
  const auto* metric = known(name);
  return std::string(metric == nullptr ? name : metric->shown);
}

std::string metric_text(std::string_view name, double value) {
  return is_share(name) ? fmt::format("{:.2f}", 100 * value) : fmt::format("{:.4f}", value);
}

std::string column_title(const MeasuredMetric& metric) {
  const auto name = metric.name == kLoss ? "evaluation loss" : shown_name(metric.name);
  const char* arrow = !metric.greater_is_better ? "" : *metric.greater_is_better ? " ↑" : " ↓";
  return fmt::format("{}{}{}", name, is_share(metric.name) ? " %" : "", arrow);
}

std::string direction_note(const MeasuredMetric& metric) {
  if (!metric.greater_is_better) return "";
  return *metric.greater_is_better ? "Greater is better." : "Smaller is better.";
}

}  // namespace vcas::report
