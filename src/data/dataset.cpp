#include "vcas/data/dataset.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "formats/delimited.h"
#include "formats/nearest_name.h"
#include "vcas/formats/error.h"

namespace vcas::data {
namespace {

constexpr std::size_t kNamesInMessage = 10;

std::optional<int64_t> as_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// Texts, and labels as the file has them.
struct LabelledRows {
  TextDataset dataset;
  std::vector<std::string> labels;
  std::vector<int64_t> lines;
};

LabelledRows read_rows(const std::filesystem::path& path, const TextColumns& columns) {
  std::vector<std::string> names{columns.text, columns.label};
  if (columns.text_pair) names.push_back(*columns.text_pair);
  LabelledRows rows;
  for (formats::TableRow& row : formats::read_table(path, names).rows) {
    rows.dataset.texts.push_back(std::move(row.values[0]));
    rows.labels.push_back(std::move(row.values[1]));
    if (columns.text_pair) rows.dataset.text_pairs.push_back(std::move(row.values[2]));
    rows.lines.push_back(row.line);
  }
  return rows;
}

std::vector<std::string> sorted_label_names(const std::vector<std::string>& labels) {
  std::set<int64_t> integers;
  for (const std::string& label : labels) {
    const auto value = as_integer(label);
    if (!value) {
      const std::set<std::string> names(labels.begin(), labels.end());
      return {names.begin(), names.end()};
    }
    integers.insert(*value);
  }
  std::vector<std::string> names;
  names.reserve(integers.size());
  for (const int64_t value : integers) names.push_back(std::to_string(value));
  return names;
}

/// Finds the id of a label as a file has it.
class LabelIndex {
 public:
  explicit LabelIndex(const std::vector<std::string>& names) : names_(names) {
    for (std::size_t i = 0; i < names.size(); ++i) ids_.emplace(names[i], static_cast<int64_t>(i));
    integer_names_ =
        std::ranges::any_of(names, [](const std::string& name) { return as_integer(name).has_value(); });
  }

  std::optional<int64_t> find(const std::string& label) const {
    if (const auto entry = ids_.find(label); entry != ids_.end()) return entry->second;
    const auto value = as_integer(label);
    if (!value) return std::nullopt;
    if (integer_names_) {
      const auto entry = ids_.find(std::to_string(*value));  // "01" is 1
      return entry == ids_.end() ? std::nullopt : std::optional(entry->second);
    }
    return *value >= 0 && *value < static_cast<int64_t>(names_.size()) ? value : std::nullopt;
  }

  [[noreturn]] void fail(const std::string& source, int64_t line, const std::string& label) const {
    std::string known;
    for (std::size_t i = 0; i < std::min(names_.size(), kNamesInMessage); ++i) {
      known += (i == 0 ? "" : ", ") + names_[i];
    }
    if (names_.size() > kNamesInMessage) known += ", ... (" + std::to_string(names_.size()) + " in all)";
    const auto nearest = formats::nearest_name(label, names_);
    throw formats::InputError(source, line,
                              "expected a known label (" + known + "), got '" + label + "'" +
                                  (nearest ? "; the nearest is '" + *nearest + "'" : ""));
  }

 private:
  const std::vector<std::string>& names_;
  std::map<std::string, int64_t, std::less<>> ids_;
  bool integer_names_ = false;
};

TextDataset with_labels(const std::filesystem::path& path, LabelledRows rows,
                        std::vector<std::string> names) {
  const LabelIndex index(names);
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    const auto id = index.find(rows.labels[i]);
    if (!id) index.fail(path.string(), rows.lines[i], rows.labels[i]);
    rows.dataset.labels.push_back(*id);
  }
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

TextDataset read_training_file(const std::filesystem::path& path, const TextColumns& columns) {
  LabelledRows rows = read_rows(path, columns);
  std::vector<std::string> names = sorted_label_names(rows.labels);
  if (names.size() < 2) {
    throw formats::InputError(path.string(),
                              "column '" + columns.label +
                                  "': expected labels of two classes or more, got labels of one class "
                                  "only: '" +
                                  names.front() + "'");
  }
  return with_labels(path, std::move(rows), std::move(names));
}

TextDataset read_evaluation_file(const std::filesystem::path& path, const TextColumns& columns,
                                 const std::vector<std::string>& label_names) {
  return with_labels(path, read_rows(path, columns), label_names);
}

}  // namespace vcas::data
