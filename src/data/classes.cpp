#include "data/classes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "formats/message.h"
#include "formats/nearest_name.h"
#include "formats/warning.h"
#include "vcas/formats/error.h"

namespace vcas::data {
namespace {

using formats::CellKind;
using formats::in_quotes;

constexpr std::size_t kNamesInMessage = 10;

/// What Hugging Face's scripts write for true and false: str(True) and str(False).
std::string truth_name(bool value) { return value ? "True" : "False"; }

/// The name of a class among names that are not all numbers and not all truth values.
std::string plain_name(const Label& label) {
  return label.kind == CellKind::boolean ? truth_name(label.text == "true") : label.text;
}

std::string missing_message(const Label& label) {
  if (label.text.empty()) return "expected a class, got nothing; give this row a class or take it out";
  return fmt::format(
      "expected a class, got {}, which stands for a missing value; give this row a class or take it out",
      label.kind == CellKind::missing ? label.text : in_quotes(label.text));
}

struct ByValue {
  bool operator()(const Decimal& a, const Decimal& b) const { return less(a, b); }
};

/// Names of a column that holds numbers alone; nothing for any other column.
std::optional<std::vector<std::string>> number_names(const LabelColumn& column, FloatLabels floats) {
  std::set<Decimal, ByValue> numbers;
  std::optional<std::size_t> not_whole, written_as_float;
  for (std::size_t row = 0; row < column.labels.size(); ++row) {
    const auto number = as_number(column.labels[row]);
    if (!number) return std::nullopt;
    if (!number->is_whole() && !not_whole) not_whole = row;
    if (number->written_as_float && !written_as_float) written_as_float = row;
    numbers.insert(*number);
  }
  // A column with strings is no column of floats to datasets either.
  const bool strings =
      std::ranges::any_of(column.labels, [](const Label& label) { return label.kind == CellKind::string; });
  if (not_whole && strings) return std::nullopt;
  if (not_whole && floats == FloatLabels::refused) {
    column.fail(*not_whole,
                fmt::format("expected a class, got the number {}: numbers that are not whole mean "
                            "regression, which is not available in this version; --problem_type "
                            "single_label_classification takes each number for a class",
                            column.labels[*not_whole].text));
  }
  if (written_as_float && !not_whole && !strings && floats == FloatLabels::refused) {
    formats::warn(fmt::format(
        "{}:{}: column {}: whole numbers written as floats ({}) are taken for classes, where Hugging Face's "
        "scripts would take them for regression; --problem_type single_label_classification says so",
        column.source, column.lines[*written_as_float], in_quotes(column.name),
        column.labels[*written_as_float].text));
  }
  std::vector<std::string> names;
  names.reserve(numbers.size());
  for (const auto& number : numbers) names.push_back(number.text());
  return names;
}

/// The whole numbers that stand in a name: 1 in "LABEL_1" and in "01 star".
std::vector<std::string> numbers_within(std::string_view name) {
  constexpr std::string_view kDigits = "0123456789";
  std::vector<std::string> numbers;
  for (auto begin = name.find_first_of(kDigits); begin != name.npos;) {
    const auto end = std::min(name.find_first_not_of(kDigits, begin), name.size());
    numbers.push_back(as_number(name.substr(begin, end - begin))->text());
    begin = name.find_first_of(kDigits, end);
  }
  return numbers;
}

}  // namespace

void LabelColumn::fail(std::size_t row, std::string_view message) const {
  throw formats::InputError(source, lines[row], fmt::format("column {}: {}", in_quotes(name), message));
}

std::vector<std::string> class_names(const LabelColumn& column, FloatLabels floats) {
  std::set<bool> truths;
  std::set<std::string> names;
  bool all_truths = true;
  for (std::size_t row = 0; row < column.labels.size(); ++row) {
    const auto& label = column.labels[row];
    if (is_missing(label)) column.fail(row, missing_message(label));
    const auto truth = as_boolean(label);
    all_truths = all_truths && truth;
    if (all_truths) truths.insert(*truth);
    names.insert(plain_name(label));
  }
  if (all_truths) {
    names.clear();
    for (const bool truth : truths) names.insert(truth_name(truth));
  } else if (auto numbers = number_names(column, floats)) {
    return std::move(*numbers);
  }
  return {names.begin(), names.end()};
}

LabelIndex::LabelIndex(std::vector<std::string> names) : names_(std::move(names)) {
  std::map<bool, int64_t> truths;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const auto id = static_cast<int64_t>(i);
    const Label name = make_label(names_[i], CellKind::bare);
    by_name_[name.text].push_back(id);
    if (const auto number = as_number(name)) by_number_[number->text()].push_back(id);
    if (const auto truth = as_boolean(name)) truths.emplace(*truth, id);
  }
  if (truths.size() == 2 && names_.size() == 2) by_truth_ = std::move(truths);
  if (by_number_.empty()) by_id_ = readings_of_ids();
}

std::vector<LabelIndex::Readings> LabelIndex::readings_of_ids() const {
  std::map<std::string, std::set<int64_t>> holders;  // of a number, the classes with it in their names
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const auto id = static_cast<int64_t>(i);
    for (const auto& number : numbers_within(names_[i])) holders[number].insert(id);
    if (const auto truth = as_boolean(make_label(names_[i], CellKind::bare)))
      holders[*truth ? "1" : "0"].insert(id);
  }
  std::vector<Readings> readings;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const auto id = static_cast<int64_t>(i);
    readings.push_back({id});
    const auto& others = holders[std::to_string(id)];
    if (!others.contains(id)) readings.back().insert(readings.back().end(), others.begin(), others.end());
  }
  return readings;
}

LabelIndex::Readings LabelIndex::named(const Label& label) const {
  if (label.text.empty() || label.kind == CellKind::missing) return {};
  if (const auto entry = by_name_.find(plain_name(label)); entry != by_name_.end()) return entry->second;
  if (const auto number = as_number(label); number && !by_number_.empty()) {
    if (const auto entry = by_number_.find(number->text()); entry != by_number_.end()) return entry->second;
  }
  if (const auto truth = as_boolean(label); truth && !by_truth_.empty()) return {by_truth_.at(*truth)};
  return {};
}

LabelIndex::Readings LabelIndex::readings(const Label& label) const {
  if (auto ids = named(label); !ids.empty()) return ids;
  const auto number = as_number(label);
  if (!number || !number->is_whole() || number->negative) return {};
  std::size_t id = 0;
  const auto& digits = number->whole;
  const auto error = std::from_chars(digits.data(), digits.data() + digits.size(), id).ec;
  return error == std::errc{} && id < by_id_.size() ? by_id_[id] : Readings{};
}

std::vector<int64_t> LabelIndex::ids(const LabelColumn& column) const {
  std::vector<int64_t> ids;
  ids.reserve(column.labels.size());
  for (std::size_t row = 0; row < column.labels.size(); ++row) {
    const auto found = readings(column.labels[row]);
    if (found.size() != 1) refuse(column, row, found);
    ids.push_back(found.front());
  }
  return ids;
}

void LabelIndex::refuse(const LabelColumn& column, std::size_t row, const Readings& readings) const {
  const auto& label = column.labels[row];
  if (readings.size() > 1) {
    const auto shown = [&](std::size_t i) {
      return fmt::format("{} (id {})", in_quotes(names_[static_cast<std::size_t>(readings[i])]), readings[i]);
    };
    throw formats::InputError(column.source, column.lines[row],
                              fmt::format("expected the name of one class, got {}, which may mean {} or {}",
                                          in_quotes(label.text), shown(0), shown(1)));
  }
  if (is_missing(label)) column.fail(row, missing_message(label));
  const auto nearest = formats::nearest_name(label.text, names_);
  throw formats::InputError(
      column.source, column.lines[row],
      fmt::format("expected a known label ({}), got {}{}", known_names(), in_quotes(label.text),
                  nearest ? "; the nearest is " + in_quotes(*nearest) : ""));
}

std::optional<std::vector<int64_t>> LabelIndex::places_of(const std::vector<std::string>& names) const {
  if (names.size() != names_.size()) return std::nullopt;
  std::vector<int64_t> places;
  for (const auto& name : names) {
    const auto ids = named(make_label(name, CellKind::bare));
    if (ids.size() != 1 || std::ranges::find(places, ids.front()) != places.end()) return std::nullopt;
    places.push_back(ids.front());
  }
  return places;
}

std::string LabelIndex::known_names() const {
  std::string known;
  for (std::size_t i = 0; i < std::min(names_.size(), kNamesInMessage); ++i)
    known += (i == 0 ? "" : ", ") + names_[i];
  if (names_.size() > kNamesInMessage) known += fmt::format(", ... ({} in all)", names_.size());
  return known;
}

}  // namespace vcas::data
