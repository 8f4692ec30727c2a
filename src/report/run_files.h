#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace vcas::report {

/// What the report shows of a line of metrics.jsonl.
struct MetricsLine {
  int64_t step = 0;
  double loss = 0;     ///< not a number where the log has null
  double seconds = 0;  ///< of training up to here: step_ms times steps, summed over the lines
  std::optional<double> flops_performed;
  std::optional<double> s;
  std::vector<double> rho;           ///< by block, the one nearest the input first
  std::map<std::string, double> nu;  ///< by weight
  std::optional<double> v_sgd, v_act, v_w, act_var_tau, w_var_tau;
};

/// A line of evaluations.jsonl.
struct EvaluationLine {
  int64_t step = 0;
  std::map<std::string, double> metrics;  ///< by name, "loss" among them; not a number where the log has null
};

/// What the report shows of a line of probe.jsonl.
struct ProbeLine {
  struct Block {
    std::vector<double> gradient_norms;  ///< quantiles at kProbeQuantiles
    std::vector<double> keep_ratio;      ///< p_l(s), one a value of s
  };
  int64_t micro_batch = 0;
  std::vector<double> s;
  double v_sgd = 0;
  std::vector<double> v_act;  ///< one a value of s
  std::vector<Block> blocks;  ///< the one nearest the input first
};
inline constexpr double kProbeQuantiles[] = {0, 0.1, 0.25, 0.5, 0.75, 0.9, 1};

/// A run's folder. Only metrics.jsonl must be there; a run that goes on has no summary yet.
struct RunFiles {
  std::vector<MetricsLine> metrics;
  std::vector<EvaluationLine> evaluations;
  std::vector<ProbeLine> probes;
  nlohmann::json summary;  ///< summary.json, or null
};

bool holds_run(const std::filesystem::path& folder);

/// Lines without flops_performed, of a finished run, get their share of the summary's by steps.
/// @throws formats::InputError naming file, line and key.
RunFiles read_run(const std::filesystem::path& folder);

}  // namespace vcas::report
