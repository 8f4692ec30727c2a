#include "vcas/report/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace vcas::report {
namespace {

constexpr double kSmallestFlopsReduction = 0.01;  // below it a share of the saving means nothing

double number_at(const nlohmann::json& summary, const char* pointer) {
  const nlohmann::json::json_pointer place(pointer);
  const auto value = summary.contains(place) ? summary.at(place) : nlohmann::json();
  if (value.is_number()) return value.get<double>();
  std::string name = pointer;
  std::replace(name.begin(), name.end(), '/', '.');
  throw std::invalid_argument(fmt::format("summary{}: expected a number, got {}", name, value.dump()));
}

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

bool is_evaluated(const ComparedRun& run) {
  return run.summary.value("eval_accuracy", nlohmann::json()).is_number();
}

PairedTest test_of(const Pairs& pairs, const char* pointer) {
  std::vector<double> differences;
  differences.reserve(pairs.size());
  for (const auto& [run, exact] : pairs)
    differences.push_back(number_at(run->summary, pointer) - number_at(exact->summary, pointer));
  return paired_test(differences);
}

/// By example: how many more seeds got it right than by exact training, as a share.
std::optional<PairedTest> test_by_example(const Pairs& pairs) {
  const size_t examples = pairs.front().first->correct.size();
  if (examples == 0) return std::nullopt;
  std::vector<double> differences(examples, 0);
  for (const auto& [run, exact] : pairs) {
    if (run->correct.size() != examples || exact->correct.size() != examples) return std::nullopt;
    for (size_t i = 0; i < examples; ++i)
      differences[i] += (run->correct[i] - exact->correct[i]) / static_cast<double>(pairs.size());
  }
  return paired_test(differences);
}

MethodResult result_of(const std::string& method, const Runs& runs, const Runs& exact) {
  const auto at = [](const char* pointer) {
    return [pointer](const ComparedRun& run) { return number_at(run.summary, pointer); };
  };
  MethodResult result;
  result.method = method;
  result.train_loss = spread_over(runs, at("/train_loss"));
  result.train_seconds = spread_over(runs, at("/train_seconds"));
  result.adaptation_share = spread_over(runs, [](const ComparedRun& run) {
    return number_at(run.summary, "/adaptation_seconds") / number_at(run.summary, "/train_seconds");
  });
  result.peak_rss_bytes = spread_over(runs, at("/peak_rss_bytes"));
  result.flops_reduction = spread_over(runs, at("/flops/reduction"));
  const bool evaluated =
      std::all_of(runs.begin(), runs.end(), [](const auto* run) { return is_evaluated(*run); });
  if (evaluated) result.eval_accuracy = spread_over(runs, at("/eval_accuracy"));

  const Pairs pairs = paired(runs, exact);
  if (method == "exact" || pairs.empty()) return result;
  std::vector<double> reductions;
  for (const auto& [run, other] : pairs) {
    reductions.push_back(1 - number_at(run->summary, "/train_seconds") /
                                 number_at(other->summary, "/train_seconds"));
  }
  result.time_reduction = spread_of(reductions);
  if (result.flops_reduction.mean >= kSmallestFlopsReduction)
    result.time_per_flops = result.time_reduction->mean / result.flops_reduction.mean;
  result.train_loss_by_seed = test_of(pairs, "/train_loss");
  const bool both_evaluated = std::all_of(pairs.begin(), pairs.end(), [](const auto& pair) {
    return is_evaluated(*pair.first) && is_evaluated(*pair.second);
  });
  if (both_evaluated) {
    result.accuracy_by_seed = test_of(pairs, "/eval_accuracy");
    result.accuracy_by_example = test_by_example(pairs);
  }
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

std::string text_of(const Spread& spread, double scale, int digits) {
  const auto mean = fmt::format("{:.{}f}", scale * spread.mean, digits);
  return spread.deviation ? fmt::format("{} ± {:.{}f}", mean, scale * *spread.deviation, digits) : mean;
}

std::string text_of(const std::optional<Spread>& spread, double scale, int digits) {
  return spread ? text_of(*spread, scale, digits) : "-";
}

std::string p_value_text(const std::optional<PairedTest>& test) {
  return test && test->p_value ? fmt::format("{:.2g}", *test->p_value) : "-";
}

std::vector<std::string> cells_of(const MethodResult& result) {
  return {result.method,
          fmt::format("{}", result.train_loss.count),
          text_of(result.train_loss, 1, 4),
          text_of(result.eval_accuracy, 100, 2),
          p_value_text(result.accuracy_by_seed),
          p_value_text(result.accuracy_by_example),
          text_of(result.flops_reduction, 100, 1),
          text_of(result.time_reduction, 100, 1),
          result.time_per_flops ? fmt::format("{:.2f}", *result.time_per_flops) : "-",
          text_of(result.train_seconds, 1, 1),
          text_of(result.peak_rss_bytes, 1.0 / (1 << 20), 0)};
}

/// Columns a terminal shows; only "±" is longer in bytes than it is wide.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

ComparedRun ComparedRun::from_json(const nlohmann::json& json) {
  ComparedRun run{json.at("method").get<std::string>(), json.at("seed").get<uint64_t>(), json.at("summary"),
                  json.at("correct").get<std::string>()};
  for (const char* pointer : {"/train_loss", "/train_seconds", "/adaptation_seconds", "/peak_rss_bytes",
                              "/flops/reduction", "/flops/exact", "/flops/performed"})
    number_at(run.summary, pointer);
  return run;
}

nlohmann::json ComparedRun::to_json() const {
  return {{"method", method}, {"seed", seed}, {"summary", summary}, {"correct", correct}};
}

std::string run_folder_name(const std::string& method, uint64_t seed) {
  return fmt::format("{}-seed-{}", method, seed);
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
  return {{"method", result.method},
          {"train_loss", json_of(result.train_loss)},
          {"eval_accuracy", json_of(result.eval_accuracy)},
          {"flops_reduction", json_of(result.flops_reduction)},
          {"train_seconds", json_of(result.train_seconds)},
          {"time_reduction", json_of(result.time_reduction)},
          {"time_per_flops", json_of(result.time_per_flops)},
          {"adaptation_share", json_of(result.adaptation_share)},
          {"peak_rss_bytes", json_of(result.peak_rss_bytes)},
          {"against_exact",
           {{"train_loss_by_seed", json_of(result.train_loss_by_seed)},
            {"accuracy_by_seed", json_of(result.accuracy_by_seed)},
            {"accuracy_by_example", json_of(result.accuracy_by_example)}}}};
}

std::vector<std::vector<std::string>> comparison_cells(const std::vector<MethodResult>& results) {
  std::vector<std::vector<std::string>> rows = {{"method", "runs", "train loss", "accuracy %", "p by seed",
                                                 "p by example", "FLOPs saved %", "time saved %",
                                                 "time/FLOPs", "seconds", "peak MiB"}};
  rows.reserve(results.size() + 1);
  for (const auto& result : results) rows.push_back(cells_of(result));
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
