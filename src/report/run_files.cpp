#include "report/run_files.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string_view>

#include "report/metric.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"

namespace vcas::report {
namespace {

namespace fs = std::filesystem;
using formats::JsonObject;

constexpr const char* kMetrics = "metrics.jsonl";

std::optional<double> number_if_any(const JsonObject& line, std::string_view key) {
  if (!line.has(key)) return std::nullopt;
  return line.number(key);
}

/// JSON has no NaN: null stands for it, and a key that is missing is an error.
double number_or_nan(const JsonObject& line, std::string_view key) {
  if (!line.json().contains(key)) line.fail(key, "a number or null");
  return line.number_or(key, std::numeric_limits<double>::quiet_NaN());
}

double metric_or_nan(const JsonObject& line, std::string_view name) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  return is_share(name) ? line.number_or(name, kNone, 0, 1) : line.number_or(name, kNone);
}

std::vector<double> numbers(const JsonObject& line, std::string_view key) {
  std::vector<double> values;
  const auto& array = line.value(key);
  if (!array.is_array()) line.fail(key, "an array of numbers");
  for (const auto& value : array) {
    if (!value.is_number()) line.fail(key, "an array of numbers");
    values.push_back(value.get<double>());
  }
  return values;
}

std::vector<double> numbers(const JsonObject& line, std::string_view key, size_t count) {
  auto values = numbers(line, key);
  if (values.size() != count) line.fail(key, fmt::format("an array of {} numbers", count));
  return values;
}

std::map<std::string, double> named_numbers(const JsonObject& line, std::string_view key) {
  std::map<std::string, double> values;
  const auto object = line.object(key);
  for (const auto& [name, _] : object.json().items()) values[name] = object.number(name);
  return values;
}

MetricsLine metrics_line(const JsonObject& line) {
  MetricsLine read;
  read.step = line.integer("step", 0);
  read.loss = number_or_nan(line, "loss");
  read.flops_performed = number_if_any(line, "flops_performed");
  read.s = number_if_any(line, "s");
  if (line.has("rho")) read.rho = numbers(line, "rho");
  if (line.has("nu")) read.nu = named_numbers(line, "nu");
  read.v_sgd = number_if_any(line, "v_sgd");
  read.v_act = number_if_any(line, "v_act");
  read.v_w = number_if_any(line, "v_w");
  read.act_var_tau = number_if_any(line, "act_var_tau");
  read.w_var_tau = number_if_any(line, "w_var_tau");
  return read;
}

template <typename Take>
void for_each_line(const fs::path& path, const Take& take) {
  for (const auto& [number, object] : formats::read_json_log(path))
    take(JsonObject(object, fmt::format("{}:{}", path.string(), number)));
}

std::vector<MetricsLine> read_metrics(const fs::path& path) {
  std::vector<MetricsLine> metrics;
  for_each_line(path, [&](const JsonObject& line) {
    auto read = metrics_line(line);
    const int64_t last_step = metrics.empty() ? 0 : metrics.back().step;
    if (read.step < last_step) line.fail("step", fmt::format("a step from {} on", last_step));
    const double last_seconds = metrics.empty() ? 0 : metrics.back().seconds;
    read.seconds =
        last_seconds + line.number_or("step_ms", 0, 0) / 1000 * static_cast<double>(read.step - last_step);
    metrics.push_back(std::move(read));
  });
  return metrics;
}

/// Every key but two is a metric.
EvaluationLine evaluation_line(const JsonObject& line) {
  EvaluationLine read;
  read.step = line.integer("step", 0);
  for (const auto& [key, _] : line.json().items()) {
    if (key != "step" && key != "examples") read.metrics[key] = metric_or_nan(line, key);
  }
  if (!read.metrics.contains(std::string(kLoss))) line.fail(kLoss, "a number or null");
  return read;
}

std::vector<EvaluationLine> read_evaluations(const fs::path& path) {
  std::vector<EvaluationLine> evaluations;
  if (!fs::exists(path)) return evaluations;
  for_each_line(path, [&](const JsonObject& line) { evaluations.push_back(evaluation_line(line)); });
  return evaluations;
}

ProbeLine probe_line(const JsonObject& line) {
  ProbeLine probe;
  probe.micro_batch = line.integer("micro_batch", 0);
  probe.s = numbers(line, "s");
  probe.v_sgd = line.number("v_sgd");
  probe.v_act = numbers(line, "v_act", probe.s.size());
  const auto& blocks = line.value("blocks");
  if (!blocks.is_array()) line.fail("blocks", "an array");
  for (size_t i = 0; i < blocks.size(); ++i) {
    const JsonObject block(blocks[i], fmt::format("{}: block {}", line.source(), i));
    probe.blocks.push_back({numbers(block, "gradient_norms", std::size(kProbeQuantiles)),
                            numbers(block, "keep_ratio", probe.s.size())});
  }
  return probe;
}

/// A line that has other blocks or ratios than those before is no line of the same run.
void require_alike(const JsonObject& line, const ProbeLine& first, const ProbeLine& probe) {
  if (probe.s != first.s) line.fail("s", "those of the first line");
  if (probe.blocks.size() != first.blocks.size())
    line.fail("blocks", fmt::format("{} blocks as in the first line", first.blocks.size()));
}

std::vector<ProbeLine> read_probes(const fs::path& path) {
  std::vector<ProbeLine> probes;
  if (!fs::exists(path)) return probes;
  for_each_line(path, [&](const JsonObject& line) {
    probes.push_back(probe_line(line));
    require_alike(line, probes.front(), probes.back());
  });
  return probes;
}

/// Every step cost the same, for want of better.
void fill_flops(RunFiles& run) {
  const double total = run.summary.at("flops").at("performed").get<double>();
  const auto steps = run.summary.at("steps").get<double>();
  for (auto& line : run.metrics) {
    if (!line.flops_performed && steps > 0)
      line.flops_performed = total * static_cast<double>(line.step) / steps;
  }
}

nlohmann::json read_summary(const fs::path& path) {
  if (!fs::exists(path)) return nullptr;
  auto summary = formats::read_json(path);
  const JsonObject object(summary, path.string());
  object.string("method");
  object.integer("seed", 0);
  object.integer("steps", 0);
  object.object("flops").number("performed");
  try {
    metrics_of_summary(summary);
  } catch (const std::invalid_argument& error) {
    throw formats::InputError(path.string(), error.what());
  }
  return summary;
}

}  // namespace

bool holds_run(const fs::path& folder) { return fs::is_regular_file(folder / kMetrics); }

RunFiles read_run(const fs::path& folder) {
  RunFiles run;
  run.metrics = read_metrics(folder / kMetrics);
  run.evaluations = read_evaluations(folder / "evaluations.jsonl");
  run.probes = read_probes(folder / "probe.jsonl");
  run.summary = read_summary(folder / "summary.json");
  if (!run.summary.is_null()) fill_flops(run);
  return run;
}

}  // namespace vcas::report
