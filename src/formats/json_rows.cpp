#include "formats/json_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "formats/json_sax.h"
#include "formats/message.h"
#include "vcas/formats/error.h"

namespace vcas::formats {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n";

/// Keeps the chosen members of each row's object, and of all else only that it is JSON.
class RowReader final : public JsonHandler {
 public:
  RowReader(std::string_view source, const std::vector<std::string>& columns,
            const std::string& any_value_column)
      : source_(source), columns_(columns), any_value_column_(any_value_column) {}

  /// Before a value at the top.
  void begin() { depth_ = row_depth_ = 0; }
  /// After one.
  void end() { ++complete_values_; }
  int64_t complete_values() const { return complete_values_; }
  std::vector<TableRow>& rows() { return rows_; }

  bool null() override {
    const auto literal = take_literal();
    const bool infinite = literal.find('I') != literal.npos;
    return take_unusual(infinite ? CellKind::number : CellKind::missing, literal.empty() ? "null" : literal);
  }
  bool boolean(bool value) override { return take_unusual(CellKind::boolean, value ? "true" : "false"); }
  bool number_integer(nlohmann::json::number_integer_t value) override {
    return take_number(std::to_string(value));
  }
  bool number_unsigned(nlohmann::json::number_unsigned_t value) override {
    return take_number(std::to_string(value));
  }
  bool number_float(nlohmann::json::number_float_t, const std::string& text) override {
    return take_number(text);
  }
  bool string(std::string& value) override { return take(CellKind::string, std::move(value)); }

  bool start_object(std::size_t) override {
    if (depth_ == row_depth_) {
      begin_row();
    } else {
      refuse_chosen("an object");
    }
    return enter();
  }
  bool start_array(std::size_t) override {
    if (depth_ == 0) {
      row_depth_ = 1;  // of rows
    } else {
      refuse_row("an array");
      refuse_chosen("an array");
    }
    return enter();
  }
  bool end_object() override {
    if (--depth_ == row_depth_) end_row();
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }

  bool key(std::string& name) override {
    if (depth_ != row_depth_ + 1) return true;
    const auto found = std::ranges::find(columns_, name);
    chosen_ = found == columns_.end() ? kNone : found - columns_.begin();
    if (chosen_ != kNone && given_[index()]) fail("duplicate key " + in_quotes(name));
    keys_.push_back(std::move(name));
    return true;
  }

 private:
  static constexpr std::ptrdiff_t kNone = -1;

  std::size_t index() const { return static_cast<std::size_t>(chosen_); }
  bool at_chosen() const { return depth_ == row_depth_ + 1 && chosen_ != kNone; }

  void refuse_row(std::string_view got) const {
    if (depth_ == row_depth_) fail(fmt::format("expected an object, got {}", got));
  }
  void refuse_chosen(std::string_view got) const {
    if (!at_chosen()) return;
    fail(fmt::format("key {}: expected a string or a number, got {}", in_quotes(columns_[index()]), got));
  }

  bool take_number(std::string text) { return take(CellKind::number, std::move(text)); }

  /// What only the column of any value may have.
  bool take_unusual(CellKind kind, std::string_view text) {
    refuse_row(text);
    if (at_chosen() && columns_[index()] != any_value_column_) refuse_chosen(text);
    return take(kind, std::string(text));
  }

  bool take(CellKind kind, std::string text) {
    refuse_row("a string or a number");
    if (!at_chosen()) return true;
    rows_.back().values[index()] = std::move(text);
    rows_.back().kinds[index()] = kind;
    given_[index()] = true;
    return true;
  }

  bool enter() {
    if (++depth_ > kDeepestJson) fail(fmt::format("expected nesting of at most {}", kDeepestJson));
    return true;
  }

  void begin_row() {
    rows_.push_back({line(), std::vector<std::string>(columns_.size()),
                     std::vector<CellKind>(columns_.size(), CellKind::missing)});
    given_.assign(columns_.size(), false);
    keys_.clear();
    chosen_ = kNone;
  }

  void end_row() {
    const auto missing = std::ranges::find(given_, false);
    if (missing == given_.end()) return;
    std::ranges::sort(keys_);
    const auto& name = columns_[static_cast<std::size_t>(missing - given_.begin())];
    throw InputError(source_, rows_.back().line, missing_column(name, keys_));
  }

  std::string_view source_;
  const std::vector<std::string>& columns_;
  const std::string& any_value_column_;
  std::vector<TableRow> rows_;
  int64_t complete_values_ = 0;
  std::vector<bool> given_;        ///< by column, of the row at hand
  std::vector<std::string> keys_;  ///< of the row at hand
  std::ptrdiff_t chosen_ = kNone;  ///< column of the key at hand
  std::size_t depth_ = 0;
  std::size_t row_depth_ = 0;  ///< 1 inside an array of rows
};

/// Reads the keys of the first object and stops.
class FirstKeys final : public JsonHandler {
 public:
  std::vector<std::string> take() {
    std::ranges::sort(keys_);
    return std::move(keys_);
  }

  bool null() override { return depth_ > 0; }
  bool boolean(bool) override { return depth_ > 0; }
  bool number_integer(nlohmann::json::number_integer_t) override { return depth_ > 0; }
  bool number_unsigned(nlohmann::json::number_unsigned_t) override { return depth_ > 0; }
  bool number_float(nlohmann::json::number_float_t, const std::string&) override { return depth_ > 0; }
  bool string(std::string&) override { return depth_ > 0; }
  bool start_object(std::size_t) override { return ++depth_ <= kDeepestJson; }
  bool start_array(std::size_t) override { return depth_ == 0 || ++depth_ <= kDeepestJson; }
  bool end_object() override { return --depth_ > 0; }
  bool end_array() override { return depth_ > 0 && --depth_ > 0; }
  bool key(std::string& name) override {
    if (depth_ == 1) keys_.push_back(std::move(name));
    return true;
  }

 private:
  std::vector<std::string> keys_;
  std::size_t depth_ = 0;  ///< inside the first object
};

/// Hands all values of a text to the reader.
void read_values(RowReader& reader, std::string_view text, std::string_view source, int64_t first_line) {
  std::size_t position = 0;
  while ((position = text.find_first_not_of(kWhiteSpace, position)) != text.npos) {
    reader.begin();
    position = scan_json_value(text, position, source, first_line, reader);
    reader.end();
  }
}

/// Line by line, so that a fault is named where it stands and not where the next object begins.
void read_lines(std::string_view text, std::string_view source, RowReader& reader) {
  for (int64_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find_first_of("\r\n"), text.size());
    read_values(reader, text.substr(0, end), source, number);
    text.remove_prefix(std::min(end + (text.substr(end, 2) == "\r\n" ? 2 : 1), text.size()));
  }
}

}  // namespace

Table parse_json_rows(std::string_view text, std::string_view source, const std::vector<std::string>& columns,
                      const std::string& any_value_column) {
  const auto begin = text.find_first_not_of(kWhiteSpace);
  if (begin == text.npos) throw InputError(source, "the file is empty, expected objects or an array of them");
  Table table{columns, {}, {}};
  if (columns.empty()) {
    FirstKeys keys;
    scan_json_value(text, begin, source, 1, keys);
    table.columns = keys.take();
  }
  RowReader by_line(source, table.columns, any_value_column);
  try {
    read_lines(text, source, by_line);
    table.rows = std::move(by_line.rows());
  } catch (const InputError&) {
    const auto fault = std::current_exception();
    RowReader whole(source, table.columns, any_value_column);
    try {
      read_values(whole, text, source, 1);
    } catch (const InputError&) {
      // Where the first line holds no whole value, the file is an array or objects of many lines.
      if (by_line.complete_values() == 0) throw;
      std::rethrow_exception(fault);
    }
    table.rows = std::move(whole.rows());
  }
  return table;
}

}  // namespace vcas::formats
