#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "formats/atomic_directory.h"
#include "formats/delimited.h"
#include "formats/leftovers.h"
#include "formats/message.h"
#include "tasks/text_classification_program.h"
#include "vcas/formats/error.h"

namespace vcas::tasks {
namespace {

using formats::TableFormat;

std::string quoted_field(const std::string& field, TableFormat format) {
  if (format == TableFormat::tsv || field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char c : field) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string prediction_header(const TextEvaluation& evaluation, TableFormat format) {
  const char separator = format == TableFormat::tsv ? '\t' : ',';
  std::string header = fmt::format("id{}label", separator);
  for (const auto& name : evaluation.label_names) {
    header += separator + quoted_field("probability_" + name, format);
  }
  return header + "\n";
}

std::string prediction_line(const TextEvaluation& evaluation, int64_t id, TableFormat format) {
  const auto& names = evaluation.label_names;
  const std::string& label =
      names[static_cast<size_t>(evaluation.predictions.classes[static_cast<size_t>(id)])];
  const float* probabilities =
      evaluation.predictions.probabilities.const_data_ptr<float>() + id * static_cast<int64_t>(names.size());
  if (format == TableFormat::json) {
    nlohmann::ordered_json line = {
        {"id", id}, {"label", label}, {"probabilities", nlohmann::ordered_json::object()}};
    for (size_t k = 0; k < names.size(); ++k) line["probabilities"][names[k]] = probabilities[k];
    return line.dump() + "\n";
  }
  const char separator = format == TableFormat::tsv ? '\t' : ',';
  std::string line = fmt::format("{}{}{}", id, separator, quoted_field(label, format));
  for (size_t k = 0; k < names.size(); ++k) line += fmt::format("{}{}", separator, probabilities[k]);
  return line + "\n";
}

/// The probabilities of a line of JSON stand under the names of the classes.
void require_different_keys(const std::vector<std::string>& names) {
  std::map<std::string_view, size_t> ids;
  for (size_t id = 0; id < names.size(); ++id) {
    const auto [place, fresh] = ids.emplace(names[id], id);
    if (fresh) continue;
    throw formats::InputError(
        "--predictions",
        fmt::format("expected labels with different names in JSON, got {} for the ids {} and {}; "
                    ".csv and .tsv take them",
                    formats::in_quotes(names[id]), place->second, id));
  }
}

}  // namespace

void write_predictions(const TextEvaluation& evaluation, const std::filesystem::path& path) {
  const TableFormat format = formats::table_format(path);
  if (format == TableFormat::json) require_different_keys(evaluation.label_names);
  std::string content = format == TableFormat::json ? std::string() : prediction_header(evaluation, format);
  for (int64_t id = 0; id < evaluation.scores.examples; ++id)
    content += prediction_line(evaluation, id, format);
  formats::sweep_leftovers_of(path);
  formats::write_file_atomically(path, content);
}

}  // namespace vcas::tasks
