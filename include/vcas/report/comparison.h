#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "vcas/report/statistics.h"

namespace vcas::report {

/// A finished run, as far as it is compared.
struct ComparedRun {
  std::string method;
  uint64_t seed = 0;
  nlohmann::json summary;  ///< summary.json
  std::string correct;     ///< '1' or '0' for each held-out example, in order; empty without any

  /// @throws std::invalid_argument "summary.train_loss: expected a number, got null".
  static ComparedRun from_json(const nlohmann::json& json);
  nlohmann::json to_json() const;
};

/// The folder of a run among those of `vcas compare` and `vcas sweep`: "vcas-seed-42".
std::string run_folder_name(const std::string& method, uint64_t seed);

/// What the runs of a method gave. Reductions are against the exact run of the same seed.
struct MethodResult {
  std::string method;
  Spread train_loss, train_seconds, adaptation_share, peak_rss_bytes, flops_reduction;
  std::optional<Spread> eval_accuracy;
  std::optional<Spread> time_reduction;
  std::optional<double> time_per_flops;  ///< mean time reduction / mean FLOPs reduction, of at least 1 %
  /// Against exact training: by seed, and by example (each example's share of seeds that got it right).
  std::optional<PairedTest> train_loss_by_seed, accuracy_by_seed, accuracy_by_example;
};

/// Methods in the order in which they first come.
std::vector<MethodResult> compare_methods(const std::vector<ComparedRun>& runs);

nlohmann::json to_json(const MethodResult& result);

/// Cells for people: the header, then a method a row.
std::vector<std::vector<std::string>> comparison_cells(const std::vector<MethodResult>& results);
/// The same as lines of text.
std::string comparison_table(const std::vector<MethodResult>& results);

}  // namespace vcas::report
