#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/statistics.h"

namespace vcas::report {

/// A finished run, as far as it is compared.
struct ComparedRun {
  std::string method;
  uint64_t seed = 0;
  nlohmann::json summary;  ///< summary.json
  /// By metric: its value for each held-out example, in order; not a number where there is none.
  std::map<std::string, std::vector<double>> per_example = {};

  /// Reads what to_json() writes, and "correct" of older files, which is per_example.accuracy.
  /// @throws std::invalid_argument "summary.train_loss: expected a number, got null".
  static ComparedRun from_json(const nlohmann::json& json);
  /// {"method", "seed", "summary", "per_example": {metric: "0110" of zeros and ones, or [numbers]}}.
  nlohmann::json to_json() const;
};

/// The folder of a run among those of `vcas compare` and `vcas sweep`: "vcas-seed-42".
std::string run_folder_name(const std::string& method, uint64_t seed);

/// A metric of held-out examples, as summary.json tells it.
struct MeasuredMetric {
  std::string name;
  std::optional<bool> greater_is_better;  ///< nothing: unknown
};

/// Values of a metric in the runs of a method, and paired t-tests of them against exact training.
struct MetricResult {
  MeasuredMetric metric;
  Spread value;
  std::optional<PairedTest> by_seed;
  /// Pairs are examples: the metric's mean over the seeds for each, 0 to 1 or any number.
  std::optional<PairedTest> by_example;
};

/// What the runs of a method gave. Reductions are against the exact run of the same seed.
struct MethodResult {
  std::string method;
  Spread train_loss, train_seconds, adaptation_share, peak_rss_bytes, flops_reduction;
  std::optional<Spread> time_reduction;
  std::optional<double> time_per_flops;  ///< mean time reduction / mean FLOPs reduction, of at least 1 %
  std::optional<PairedTest> train_loss_by_seed;
  std::vector<MetricResult> metrics;  ///< those of all its runs, the loss first

  /// Null where there is none of that name.
  const MetricResult* find(std::string_view metric) const;
};

/// Methods in the order in which they first come.
std::vector<MethodResult> compare_methods(const std::vector<ComparedRun>& runs);

/// Spreads by key, "eval_<metric>" among them, and "against_exact" with "train_loss_by_seed",
/// "<metric>_by_seed" and "<metric>_by_example".
nlohmann::json to_json(const MethodResult& result);

/// Cells for people: the header, then a method a row. The task's metric, the first beside the loss, has a
/// column and the p values; by example they are of the loss where the metric has no values by example.
std::vector<std::vector<std::string>> comparison_cells(const std::vector<MethodResult>& results);
/// The same as lines of text.
std::string comparison_table(const std::vector<MethodResult>& results);

}  // namespace vcas::report
