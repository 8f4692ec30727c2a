#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "report/comparison.h"
#include "report/metric.h"
#include "report/summary.h"

namespace vcas::report {
namespace {

using Values = std::vector<double>;

[[noreturn]] void refuse_values(const std::string& metric, const nlohmann::json& json) {
  throw std::invalid_argument(fmt::format(
      "per_example.{}: expected a text of 0 and 1 or an array of numbers, got {}", metric, json.dump()));
}

Values values_of(const std::string& metric, const nlohmann::json& json) {
  Values values;
  if (json.is_string()) {
    for (const char mark : json.get_ref<const std::string&>()) {
      if (mark != '0' && mark != '1') refuse_values(metric, json);
      values.push_back(mark - '0');
    }
    return values;
  }
  if (!json.is_array()) refuse_values(metric, json);
  for (const auto& value : json) {
    if (!value.is_number() && !value.is_null()) refuse_values(metric, json);
    values.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>());
  }
  return values;
}

nlohmann::json json_of(const Values& values) {
  if (!std::all_of(values.begin(), values.end(), [](double value) { return value == 0 || value == 1; }))
    return values;
  std::string marks;
  for (const double value : values) marks += value == 1 ? '1' : '0';
  return marks;
}

}  // namespace

double number_at(const nlohmann::json& summary, const char* pointer) {
  const nlohmann::json::json_pointer place(pointer);
  const auto value = summary.contains(place) ? summary.at(place) : nlohmann::json();
  if (value.is_number()) return value.get<double>();
  std::string name = pointer;
  std::replace(name.begin(), name.end(), '/', '.');
  throw std::invalid_argument(fmt::format("summary{}: expected a number, got {}", name, value.dump()));
}

ComparedRun ComparedRun::from_json(const nlohmann::json& json) {
  ComparedRun run{json.at("method").get<std::string>(), json.at("seed").get<uint64_t>(), json.at("summary")};
  for (const char* pointer : {"/train_loss", "/train_seconds", "/adaptation_seconds", "/peak_rss_bytes",
                              "/flops/reduction", "/flops/exact", "/flops/performed"})
    number_at(run.summary, pointer);
  metrics_of_summary(run.summary);
  if (json.contains("per_example")) {
    for (const auto& [metric, values] : json.at("per_example").items())
      run.per_example[metric] = values_of(metric, values);
  } else if (const auto& correct = json.value("correct", std::string()); !correct.empty()) {
    run.per_example["accuracy"] = values_of("accuracy", correct);
  }
  return run;
}

nlohmann::json ComparedRun::to_json() const {
  auto examples = nlohmann::json::object();
  for (const auto& [metric, values] : per_example) examples[metric] = json_of(values);
  return {{"method", method}, {"seed", seed}, {"summary", summary}, {"per_example", std::move(examples)}};
}

std::string run_folder_name(const std::string& method, uint64_t seed) {
  return fmt::format("{}-seed-{}", method, seed);
}

}  // namespace vcas::report
