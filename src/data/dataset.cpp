#include "vcas/data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "data/classes.h"
#include "formats/delimited.h"
#include "formats/message.h"
#include "formats/warning.h"
#include "vcas/formats/error.h"

namespace vcas::data {
namespace {

/// Texts, and labels as the file has them.
struct LabelledRows {
  TextDataset dataset;
  LabelColumn labels;
};

void say_quoting(const std::string& source, bool quoted) {
  formats::warn(quoted ? source +
                             ": read as quoted fields, as pandas and Excel write them; --quoting raw "
                             "takes quotes for characters"
                       : source +
                             ": quotes are taken for characters, as in GLUE's files; --quoting quoted "
                             "reads quoted fields");
}

void say_blank_rows(const std::string& source, const std::vector<formats::TableRow>& rows) {
  const auto count = std::ranges::count(rows, true, &formats::TableRow::blank);
  if (count == 0) return;
  const auto first = std::ranges::find(rows, true, &formats::TableRow::blank);
  formats::warn(fmt::format("{}: {} {} of empty fields left out, the first on line {}", source, count,
                            count == 1 ? "row" : "rows", first->line));
}

std::vector<formats::TableRow> read_file_rows(const std::string& source, const TextColumns& columns) {
  std::vector<std::string> names{columns.text, columns.label};
  if (columns.text_pair) names.push_back(*columns.text_pair);
  auto table = formats::read_table(source, names, {columns.quoted, columns.label});
  if (table.quoted_by_content) say_quoting(source, *table.quoted_by_content);
  say_blank_rows(source, table.rows);
  std::erase_if(table.rows, [](const formats::TableRow& row) { return row.blank; });
  if (table.rows.empty()) throw formats::InputError(source, "expected at least one row, got empty ones only");
  return std::move(table.rows);
}

LabelledRows read_rows(const std::filesystem::path& path, const TextColumns& columns) {
  LabelledRows rows;
  rows.labels = {path.string(), columns.label, {}, {}};
  for (formats::TableRow& row : read_file_rows(path.string(), columns)) {
    rows.dataset.texts.push_back(std::move(row.values[0]));
    rows.labels.labels.push_back(
        make_label(row.values[1], row.kinds.empty() ? formats::CellKind::bare : row.kinds[1]));
    if (columns.text_pair) rows.dataset.text_pairs.push_back(std::move(row.values[2]));
    rows.labels.lines.push_back(row.line);
  }
  return rows;
}

TextDataset with_labels(LabelledRows rows, std::vector<std::string> names) {
  rows.dataset.labels = LabelIndex(names).ids(rows.labels);
  rows.dataset.label_names = std::move(names);
  return std::move(rows.dataset);
}

}  // namespace

void TextDataset::keep_first(int64_t count) {
  if (count >= size()) return;
  const auto kept = static_cast<std::size_t>(std::max<int64_t>(count, 0));
  texts.resize(kept);
  labels.resize(kept);
  if (!text_pairs.empty()) text_pairs.resize(kept);
}

bool TextDataset::take_label_order(const std::vector<std::string>& names) {
  const auto places = LabelIndex(names).places_of(label_names);
  if (!places) return false;
  for (auto& label : labels) label = (*places)[static_cast<std::size_t>(label)];
  label_names = names;
  return true;
}

TextDataset read_training_file(const std::filesystem::path& path, const TextColumns& columns,
                               FloatLabels floats) {
  LabelledRows rows = read_rows(path, columns);
  std::vector<std::string> names = class_names(rows.labels, floats);
  if (names.size() < 2) {
    throw formats::InputError(path.string(),
                              "column '" + columns.label +
                                  "': expected labels of two classes or more, got labels of one class "
                                  "only: '" +
                                  names.front() + "'");
  }
  return with_labels(std::move(rows), std::move(names));
}

TextDataset read_evaluation_file(const std::filesystem::path& path, const TextColumns& columns,
                                 const std::vector<std::string>& label_names) {
  return with_labels(read_rows(path, columns), label_names);
}

}  // namespace vcas::data
