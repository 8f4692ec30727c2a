#include "report/tables.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>

#include "report/metric.h"
#include "report/shown_run.h"

namespace vcas::report {
namespace {

using Row = std::vector<std::string>;

nlohmann::json table(std::string id, std::string title, std::string note, Row header, std::vector<Row> rows) {
  return {{"id", std::move(id)},
          {"title", std::move(title)},
          {"note", std::move(note)},
          {"header", std::move(header)},
          {"rows", std::move(rows)}};
}

/// A number of a summary, scaled; "-" where it has none.
std::string number_text(const nlohmann::json& summary, const char* pointer, double scale, int digits) {
  const nlohmann::json::json_pointer place(pointer);
  if (!summary.contains(place) || !summary.at(place).is_number()) return "-";
  return fmt::format("{:.{}f}", scale * summary.at(place).get<double>(), digits);
}

/// The metric by which each run's task is judged, the loss apart, which has a column of its own.
Metrics main_metrics(const std::vector<ShownRun>& runs) {
  Metrics metrics;
  for (const auto& run : runs) {
    if (run.files->summary.is_null()) continue;
    const auto of_run = metrics_of_summary(run.files->summary);
    const auto* main = main_metric(of_run);
    if (main != nullptr && main->name != kLoss) add_new(metrics, {*main});
  }
  return metrics;
}

/// How far a run is, and its loss so far.
Row unfinished_cells(const ShownRun& run, const Metrics& metrics) {
  const bool begun = !run.files->metrics.empty();
  const auto last = begun ? run.files->metrics.back() : MetricsLine();
  Row cells = {run.name, "under way", fmt::format("{}", last.step),
               begun ? fmt::format("{:.4f}", last.loss) : "-", "-"};
  cells.insert(cells.end(), metrics.size(), "-");
  cells.insert(cells.end(), {begun ? fmt::format("{:.1f}", last.seconds) : "-", "-", "-"});
  return cells;
}

Row cells_of(const ShownRun& run, const Metrics& metrics) {
  const auto& summary = run.files->summary;
  if (summary.is_null()) return unfinished_cells(run, metrics);
  Row cells = {run.name, summary.at("method").get<std::string>(), number_text(summary, "/steps", 1, 0),
               number_text(summary, "/train_loss", 1, 4), number_text(summary, "/eval_loss", 1, 4)};
  for (const auto& metric : metrics) {
    const auto value = evaluated(summary, metric.name);
    cells.push_back(value ? metric_text(metric.name, *value) : "-");
  }
  cells.insert(cells.end(), {number_text(summary, "/train_seconds", 1, 1),
                             number_text(summary, "/flops/reduction", 100, 1),
                             number_text(summary, "/peak_rss_bytes", 1.0 / (1 << 20), 0)});
  return cells;
}

void add_test(std::vector<Row>& rows, const std::string& method, const std::string& of, double scale,
              const std::optional<PairedTest>& test) {
  if (!test) return;
  rows.push_back({method, of, fmt::format("{:+.4g}", scale * test->difference),
                  test->standard_error ? fmt::format("{:.2g}", scale * *test->standard_error) : "-",
                  test->p_value ? fmt::format("{:.2g}", *test->p_value) : "-",
                  fmt::format("{}", test->pairs)});
}

void add_test(std::vector<Row>& rows, const std::string& method, const MeasuredMetric& metric, const char* by,
              const std::optional<PairedTest>& test) {
  const bool share = is_share(metric.name);
  const auto name = metric.name == kLoss ? "evaluation loss" : shown_name(metric.name);
  add_test(rows, method, fmt::format("{}{}, by {}", name, share ? " in %" : "", by), share ? 100 : 1, test);
}

/// The p values of comparison_cells() and the train loss.
std::vector<Row> test_rows(const std::vector<MethodResult>& results) {
  const auto metrics = metrics_of(results);
  const auto *main = main_metric(metrics), *by_example = metric_by_example(metrics, results);
  std::vector<Row> rows;
  for (const auto& result : results) {
    add_test(rows, result.method, "train loss, by seed", 1, result.train_loss_by_seed);
    if (main == nullptr) continue;
    if (const auto* found = result.find(main->name))
      add_test(rows, result.method, *main, "seed", found->by_seed);
    if (const auto* found = result.find(by_example->name))
      add_test(rows, result.method, *by_example, "example", found->by_example);
  }
  return rows;
}

/// Runs of other lengths are no pairs.
std::map<int64_t, std::vector<ComparedRun>> finished_by_length(const RunSet& set) {
  std::map<int64_t, std::vector<ComparedRun>> finished;
  for (const auto& run : set.runs) {
    if (run.compared) finished[run.compared->summary.value("steps", int64_t{0})].push_back(*run.compared);
  }
  return finished;
}

nlohmann::json comparison(const std::vector<MethodResult>& results, const std::string& suffix) {
  const auto metrics = metrics_of(results);
  const auto* main = main_metric(metrics);
  std::string note =
      "Mean ± standard deviation over runs. Savings are against exact training with the same seed";
  if (main != nullptr)
    note += fmt::format("; p: of a paired t-test of {} against it", shown_name(main->name));
  auto cells = comparison_cells(results);
  auto header = std::move(cells.front());
  cells.erase(cells.begin());
  return table("comparison", "Comparison" + suffix, note + ".", std::move(header), std::move(cells));
}

}  // namespace

nlohmann::json runs_table(const std::vector<RunSet>& sets) {
  const auto runs = shown_runs(sets);
  const auto metrics = main_metrics(runs);
  Row header = {"run", "method", "steps", "train loss", "evaluation loss"};
  for (const auto& metric : metrics) header.push_back(column_title(metric));
  header.insert(header.end(), {"seconds", "FLOPs saved %", "peak MiB"});
  std::vector<Row> rows;
  for (const auto& run : runs) rows.push_back(cells_of(run, metrics));
  return table("runs", "All runs", "", std::move(header), std::move(rows));
}

std::vector<nlohmann::json> comparison_tables(const RunSet& set) {
  const auto by_length = finished_by_length(set);
  std::vector<nlohmann::json> tables;
  for (const auto& [steps, runs] : by_length) {
    if (runs.size() < 2) continue;
    std::string suffix = set.name.empty() ? "" : ": " + set.name;
    if (by_length.size() > 1) suffix += fmt::format(" ({} steps)", steps);
    const auto results = compare_methods(runs);
    tables.push_back(comparison(results, suffix));
    if (auto tests = test_rows(results); !tests.empty()) {
      tables.push_back(table(
          "tests", "Paired tests against exact training" + suffix,
          "Paired t-tests, two-sided. Pairs are seeds, or held-out examples with the mean over seeds of each "
          "one's value (of accuracy: the share of seeds that got it right).",
          {"method", "of", "difference", "standard error", "p", "pairs"}, std::move(tests)));
    }
  }
  return tables;
}

}  // namespace vcas::report
