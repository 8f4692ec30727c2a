#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "report/comparison.h"
#include "report/metric.h"

namespace vcas::report {
namespace {

std::string text_of(const Spread& spread, double scale, int digits) {
  const auto mean = fmt::format("{:.{}f}", scale * spread.mean, digits);
  return spread.deviation ? fmt::format("{} ± {:.{}f}", mean, scale * *spread.deviation, digits) : mean;
}

std::string text_of(const std::optional<Spread>& spread, double scale, int digits) {
  return spread ? text_of(*spread, scale, digits) : "-";
}

std::string metric_text(const std::string& metric, const Spread& value) {
  return is_share(metric) ? text_of(value, 100, 2) : text_of(value, 1, 4);
}

std::string p_value_text(const std::optional<PairedTest>& test) {
  return test && test->p_value ? fmt::format("{:.2g}", *test->p_value) : "-";
}

/// The metrics of the table's columns; null where none is measured.
struct Shown {
  const MeasuredMetric* main = nullptr;
  const MeasuredMetric* by_example = nullptr;
};

std::vector<std::string> header_of(const Shown& shown) {
  std::vector<std::string> header = {"method", "runs", "train loss"};
  if (shown.main != nullptr) {
    const bool another = shown.by_example != shown.main;
    const auto by_example =
        another ? "p by example of " + shown_name(shown.by_example->name) : "p by example";
    header.insert(header.end(), {column_title(*shown.main), "p by seed", by_example});
  }
  header.insert(header.end(), {"FLOPs saved %", "time saved %", "time/FLOPs", "seconds", "peak MiB"});
  return header;
}

std::vector<std::string> cells_of(const MethodResult& result, const Shown& shown) {
  std::vector<std::string> cells = {result.method, fmt::format("{}", result.train_loss.count),
                                    text_of(result.train_loss, 1, 4)};
  if (shown.main != nullptr) {
    const auto *main = result.find(shown.main->name), *by_example = result.find(shown.by_example->name);
    cells.insert(cells.end(), {main ? metric_text(main->metric.name, main->value) : "-",
                               main ? p_value_text(main->by_seed) : "-",
                               by_example ? p_value_text(by_example->by_example) : "-"});
  }
  cells.insert(cells.end(),
               {text_of(result.flops_reduction, 100, 1), text_of(result.time_reduction, 100, 1),
                result.time_per_flops ? fmt::format("{:.2f}", *result.time_per_flops) : "-",
                text_of(result.train_seconds, 1, 1), text_of(result.peak_rss_bytes, 1.0 / (1 << 20), 0)});
  return cells;
}

/// Columns a terminal shows; "±" and arrows are longer in bytes than they are wide.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::vector<std::vector<std::string>> comparison_cells(const std::vector<MethodResult>& results) {
  const auto metrics = metrics_of(results);
  const Shown shown{main_metric(metrics), metric_by_example(metrics, results)};
  std::vector<std::vector<std::string>> rows = {header_of(shown)};
  rows.reserve(results.size() + 1);
  for (const auto& result : results) rows.push_back(cells_of(result, shown));
  return rows;
}

std::string comparison_table(const std::vector<MethodResult>& results) {
  const auto rows = comparison_cells(results);
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (size_t column = 0; column < row.size(); ++column)
      widths[column] = std::max(widths[column], width_of(row[column]));
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t column = 0; column < row.size(); ++column) {
      const std::string padding(widths[column] - width_of(row[column]), ' ');
      text += column == 0 ? row[column] + padding : "  " + padding + row[column];
    }
    text += '\n';
  }
  return text;
}

}  // namespace vcas::report
