#include "report/comparison.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "report/metric.h"
#include "report/summary.h"

namespace vcas::report {
namespace {

constexpr double kSmallestFlopsReduction = 0.01;  // below it a share of the saving means nothing

using Runs = std::vector<const ComparedRun*>;

const ComparedRun* of_seed(const Runs& runs, uint64_t seed) {
  const auto found =
      std::find_if(runs.begin(), runs.end(), [&](const auto* run) { return run->seed == seed; });
  return found == runs.end() ? nullptr : *found;
}

/// Runs of a method beside the exact runs of the same seeds.
using Pairs = std::vector<std::pair<const ComparedRun*, const ComparedRun*>>;

Pairs paired(const Runs& runs, const Runs& exact) {
  Pairs pairs;
  for (const auto* run : runs) {
    if (const auto* other = of_seed(exact, run->seed)) pairs.emplace_back(run, other);
  }
  return pairs;
}

template <typename Value>
Spread spread_over(const Runs& runs, const Value& value) {
  std::vector<double> values;
  values.reserve(runs.size());
  for (const auto* run : runs) values.push_back(value(*run));
  return spread_of(values);
}

template <typename Value>
PairedTest test_of(const Pairs& pairs, const Value& value) {
  std::vector<double> differences;
  differences.reserve(pairs.size());
  for (const auto& [run, exact] : pairs) differences.push_back(value(*run) - value(*exact));
  return paired_test(differences);
}

/// Values by example of all pairs, a run and the exact one by turns; nothing where they do not fit together.
using ExampleValues = std::vector<const std::vector<double>*>;

std::optional<ExampleValues> values_by_example(const Pairs& pairs, const std::string& metric) {
  ExampleValues values;
  for (const auto& [run, exact] : pairs) {
    for (const auto* each : {run, exact}) {
      const auto found = each->per_example.find(metric);
      if (found == each->per_example.end()) return std::nullopt;
      values.push_back(&found->second);
    }
  }
  const bool fit = std::all_of(values.begin(), values.end(), [&](const auto* one) {
    return one->size() == values.front()->size() &&
           std::all_of(one->begin(), one->end(), [](double value) { return std::isfinite(value); });
  });
  if (!fit || values.front()->empty()) return std::nullopt;
  return values;
}

/// Paired t-test over examples of the metric's mean over seeds.
std::optional<PairedTest> test_by_example(const Pairs& pairs, const std::string& metric) {
  const auto values = values_by_example(pairs, metric);
  if (!values) return std::nullopt;
  std::vector<double> differences(values->front()->size(), 0);
  for (size_t pair = 0; pair < pairs.size(); ++pair) {
    const auto &run = *(*values)[2 * pair], &exact = *(*values)[2 * pair + 1];
    for (size_t i = 0; i < differences.size(); ++i)
      differences[i] += (run[i] - exact[i]) / static_cast<double>(pairs.size());
  }
  return paired_test(differences);
}

Metrics metrics_of_all(const Runs& runs) {
  Metrics measured;
  for (const auto* run : runs) add_new(measured, metrics_of_summary(run->summary));
  std::erase_if(measured, [&](const auto& metric) {
    return !std::all_of(runs.begin(), runs.end(),
                        [&](const auto* run) { return evaluated(run->summary, metric.name).has_value(); });
  });
  return measured;
}

bool exact_has(const Pairs& pairs, const std::string& metric) {
  return std::all_of(pairs.begin(), pairs.end(),
                     [&](const auto& pair) { return evaluated(pair.second->summary, metric).has_value(); });
}

/// @param pairs may be none.
std::vector<MetricResult> metric_results(const Runs& runs, const Pairs& pairs) {
  std::vector<MetricResult> results;
  for (const auto& metric : metrics_of_all(runs)) {
    const auto value = [&](const ComparedRun& run) { return *evaluated(run.summary, metric.name); };
    MetricResult result{metric, spread_over(runs, value), {}, {}};
    if (!pairs.empty() && exact_has(pairs, metric.name)) {
      result.by_seed = test_of(pairs, value);
      result.by_example = test_by_example(pairs, metric.name);
    }
    results.push_back(std::move(result));
  }
  return results;
}

auto number_of(const char* pointer) {
  return [pointer](const ComparedRun& run) { return number_at(run.summary, pointer); };
}

MethodResult result_of(const std::string& method, const Runs& runs, const Runs& exact) {
  MethodResult result;
  result.method = method;
  result.train_loss = spread_over(runs, number_of("/train_loss"));
  result.train_seconds = spread_over(runs, number_of("/train_seconds"));
  result.adaptation_share = spread_over(runs, [](const ComparedRun& run) {
    return number_at(run.summary, "/adaptation_seconds") / number_at(run.summary, "/train_seconds");
  });
  result.peak_rss_bytes = spread_over(runs, number_of("/peak_rss_bytes"));
  result.flops_reduction = spread_over(runs, number_of("/flops/reduction"));
  const Pairs pairs = method == "exact" ? Pairs() : paired(runs, exact);
  result.metrics = metric_results(runs, pairs);
  if (pairs.empty()) return result;
  std::vector<double> reductions;
  for (const auto& [run, other] : pairs) {
    reductions.push_back(1 - number_at(run->summary, "/train_seconds") /
                                 number_at(other->summary, "/train_seconds"));
  }
  result.time_reduction = spread_of(reductions);
  if (result.flops_reduction.mean >= kSmallestFlopsReduction)
    result.time_per_flops = result.time_reduction->mean / result.flops_reduction.mean;
  result.train_loss_by_seed = test_of(pairs, number_of("/train_loss"));
  return result;
}

nlohmann::json json_of(const Spread& spread) {
  return {{"mean", spread.mean},
          {"deviation", spread.deviation ? nlohmann::json(*spread.deviation) : nlohmann::json()},
          {"runs", spread.count}};
}

nlohmann::json json_of(const std::optional<Spread>& spread) {
  return spread ? json_of(*spread) : nlohmann::json();
}

nlohmann::json json_of(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

nlohmann::json json_of(const std::optional<PairedTest>& test) {
  if (!test) return nullptr;
  return {{"difference", test->difference},
          {"standard_error", json_of(test->standard_error)},
          {"p_value", json_of(test->p_value)},
          {"pairs", test->pairs}};
}

}  // namespace

const MetricResult* MethodResult::find(std::string_view metric) const {
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [&](const auto& result) { return result.metric.name == metric; });
  return found == metrics.end() ? nullptr : &*found;
}

std::vector<MethodResult> compare_methods(const std::vector<ComparedRun>& runs) {
  std::vector<std::pair<std::string, Runs>> by_method;
  for (const auto& run : runs) {
    auto found = std::find_if(by_method.begin(), by_method.end(),
                              [&](const auto& entry) { return entry.first == run.method; });
    if (found == by_method.end()) found = by_method.insert(by_method.end(), {run.method, {}});
    found->second.push_back(&run);
  }
  const auto exact = std::find_if(by_method.begin(), by_method.end(),
                                  [](const auto& entry) { return entry.first == "exact"; });
  const Runs none;
  std::vector<MethodResult> results;
  results.reserve(by_method.size());
  for (const auto& [method, of_method] : by_method)
    results.push_back(result_of(method, of_method, exact == by_method.end() ? none : exact->second));
  return results;
}

nlohmann::json to_json(const MethodResult& result) {
  nlohmann::json json = {{"method", result.method},
                         {"train_loss", json_of(result.train_loss)},
                         {"flops_reduction", json_of(result.flops_reduction)},
                         {"train_seconds", json_of(result.train_seconds)},
                         {"time_reduction", json_of(result.time_reduction)},
                         {"time_per_flops", json_of(result.time_per_flops)},
                         {"adaptation_share", json_of(result.adaptation_share)},
                         {"peak_rss_bytes", json_of(result.peak_rss_bytes)},
                         {"against_exact", {{"train_loss_by_seed", json_of(result.train_loss_by_seed)}}}};
  for (const auto& [metric, value, by_seed, by_example] : result.metrics) {
    json["eval_" + metric.name] = json_of(value);
    json["against_exact"][metric.name + "_by_seed"] = json_of(by_seed);
    json["against_exact"][metric.name + "_by_example"] = json_of(by_example);
  }
  return json;
}

}  // namespace vcas::report
