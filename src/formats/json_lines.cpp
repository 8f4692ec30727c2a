#include "formats/json_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "formats/json_sax.h"
#include "formats/message.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"

namespace vcas::formats {

using nlohmann::json;

namespace {

/// Keeps the chosen members of one line's object, and of the others only that they are JSON.
class LineReader final : public JsonHandler {
 public:
  explicit LineReader(const std::vector<std::string>& columns) : columns_(columns) {}

  /// Forgets the line before.
  void begin() {
    values_.assign(columns_.size(), std::nullopt);
    chosen_ = kNone;
    depth_ = 0;
  }
  std::vector<std::optional<std::string>>& values() { return values_; }

  bool null() override { return refuse("null"); }
  bool boolean(bool value) override { return refuse(value ? "true" : "false"); }
  bool number_integer(json::number_integer_t value) override { return take(std::to_string(value)); }
  bool number_unsigned(json::number_unsigned_t value) override { return take(std::to_string(value)); }
  bool number_float(json::number_float_t, const std::string& text) override { return take(text); }
  bool string(std::string& value) override { return take(std::move(value)); }
  bool start_object(std::size_t) override {
    if (depth_ > 0) refuse("an object");
    return enter();
  }
  bool start_array(std::size_t) override {
    refuse("an array");
    return enter();
  }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(std::string& name) override {
    if (depth_ != 1) return true;
    const auto found = std::ranges::find(columns_, name);
    chosen_ = found == columns_.end() ? kNone : found - columns_.begin();
    if (chosen_ != kNone && values_[index()]) fail("duplicate key " + in_quotes(name));
    return true;
  }

 private:
  static constexpr std::ptrdiff_t kNone = -1;

  std::size_t index() const { return static_cast<std::size_t>(chosen_); }

  /// A value at the top is no object; one that was not asked for may be anything.
  bool refuse(std::string_view got) {
    if (depth_ == 0) fail(fmt::format("expected an object, got {}", got));
    if (depth_ == 1 && chosen_ != kNone) {
      fail(fmt::format("key {}: expected a string or a number, got {}", in_quotes(columns_[index()]), got));
    }
    return true;
  }

  bool take(std::string value) {
    if (depth_ == 0) refuse("a string or a number");
    if (depth_ == 1 && chosen_ != kNone) values_[index()] = std::move(value);
    return true;
  }

  bool enter() {
    if (++depth_ > kDeepestJson) fail(fmt::format("expected nesting of at most {}", kDeepestJson));
    return true;
  }

  bool leave() {
    --depth_;
    return true;
  }

  const std::vector<std::string>& columns_;
  std::vector<std::optional<std::string>> values_;  ///< one a column
  std::ptrdiff_t chosen_ = kNone;                   ///< column of the key at hand
  std::size_t depth_ = 0;
};

std::vector<std::string> keys_of(std::string_view line, std::string_view source, int64_t number) {
  const auto object = parse_json(line, fmt::format("{}:{}", source, number));
  if (!object.is_object()) throw InputError(source, number, "expected an object");
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

TableRow read_line(LineReader& reader, std::string_view line, std::string_view source, int64_t number,
                   const std::vector<std::string>& columns) {
  reader.begin();
  scan_json(line, source, number, reader);
  TableRow row{number, {}};
  row.values.reserve(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    auto& value = reader.values()[i];
    if (!value) throw InputError(source, number, missing_column(columns[i], keys_of(line, source, number)));
    row.values.push_back(std::move(*value));
  }
  return row;
}

}  // namespace

Table parse_json_lines(std::string_view text, std::string_view source,
                       const std::vector<std::string>& columns) {
  Table table{columns, {}};
  std::optional<LineReader> reader;
  for (int64_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    if (!reader) {
      if (columns.empty()) table.columns = keys_of(line, source, number);
      reader.emplace(table.columns);
    }
    table.rows.push_back(read_line(*reader, line, source, number, table.columns));
  }
  if (table.rows.empty()) throw InputError(source, "the file is empty, expected an object a line");
  return table;
}

}  // namespace vcas::formats
