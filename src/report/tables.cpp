#include "report/tables.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>

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

/// How far a run is, and its loss so far.
Row unfinished_cells(const ShownRun& run) {
  if (run.files->metrics.empty()) return {run.name, "under way", "0", "-", "-", "-", "-", "-", "-"};
  const auto& last = run.files->metrics.back();
  return {run.name, "under way", fmt::format("{}", last.step),        fmt::format("{:.4f}", last.loss),
          "-",      "-",         fmt::format("{:.1f}", last.seconds), "-",
          "-"};
}

Row cells_of(const ShownRun& run) {
  const auto& summary = run.files->summary;
  if (summary.is_null()) return unfinished_cells(run);
  return {run.name,
          summary.at("method").get<std::string>(),
          number_text(summary, "/steps", 1, 0),
          number_text(summary, "/train_loss", 1, 4),
          number_text(summary, "/eval_loss", 1, 4),
          number_text(summary, "/eval_accuracy", 100, 2),
          number_text(summary, "/train_seconds", 1, 1),
          number_text(summary, "/flops/reduction", 100, 1),
          number_text(summary, "/peak_rss_bytes", 1.0 / (1 << 20), 0)};
}

void add_test(std::vector<Row>& rows, const std::string& method, const std::string& of, double scale,
              const std::optional<PairedTest>& test) {
  if (!test) return;
  rows.push_back({method, of, fmt::format("{:+.4g}", scale * test->difference),
                  test->standard_error ? fmt::format("{:.2g}", scale * *test->standard_error) : "-",
                  test->p_value ? fmt::format("{:.2g}", *test->p_value) : "-",
                  fmt::format("{}", test->pairs)});
}

std::vector<Row> test_rows(const std::vector<MethodResult>& results) {
  std::vector<Row> rows;
  for (const auto& result : results) {
    add_test(rows, result.method, "train loss, by seed", 1, result.train_loss_by_seed);
    add_test(rows, result.method, "accuracy in %, by seed", 100, result.accuracy_by_seed);
    add_test(rows, result.method, "accuracy in %, by example", 100, result.accuracy_by_example);
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
  auto cells = comparison_cells(results);
  auto header = std::move(cells.front());
  cells.erase(cells.begin());
  return table(
      "comparison", "Comparison" + suffix,
      "Mean ± standard deviation over runs. Savings are against exact training with the same seed; p: of "
      "a paired t-test of accuracy against it.",
      std::move(header), std::move(cells));
}

}  // namespace

nlohmann::json runs_table(const std::vector<RunSet>& sets) {
  std::vector<Row> rows;
  for (const auto& run : shown_runs(sets)) rows.push_back(cells_of(run));
  return table("runs", "All runs", "",
               {"run", "method", "steps", "train loss", "evaluation loss", "accuracy %", "seconds",
                "FLOPs saved %", "peak MiB"},
               std::move(rows));
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
      tables.push_back(
          table("tests", "Paired tests against exact training" + suffix,
                "Two-sided, Student's t. Pairs are seeds, or held-out examples with the share of "
                "seeds that got each right.",
                {"method", "of", "difference", "standard error", "p", "pairs"}, std::move(tests)));
    }
  }
  return tables;
}

}  // namespace vcas::report
