#include "formats/delimited.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "formats/file.h"
#include "formats/json_rows.h"
#include "formats/message.h"
#include "formats/nearest_name.h"
#include "formats/records.h"
#include "formats/utf8.h"
#include "vcas/formats/error.h"

namespace vcas::formats {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view separator_name(char separator) { return separator == '\t' ? "tabs" : "commas"; }

/// For a header that another separator parts into the columns that were asked for.
std::string other_separator(const std::string& name, const std::vector<std::string>& header, char separator) {
  for (const char other : {';', '\t', ',', '|'}) {
    if (other == separator) continue;
    for (const auto& column : header) {
      RecordReader reader(column, "", {other, /*quoted=*/false});
      if (!reader.next() || reader.fields().size() < 2) continue;
      if (std::ranges::find(reader.fields(), name) == reader.fields().end()) continue;
      return fmt::format("; did you mean a file separated by {}? Fields of this one are separated by {}{}",
                         other == '\t' ? "tabs" : fmt::format("'{}'", other), separator_name(separator),
                         other == '\t' ? ", those of a .tsv file by tabs" : "");
    }
  }
  return {};
}

/// Where each wanted column stands in the header.
std::vector<std::size_t> locate(const std::vector<std::string>& wanted, const RecordReader& header,
                                std::string_view source, char separator) {
  const auto& names = header.fields();
  std::vector<std::size_t> places;
  for (const auto& name : wanted) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
      throw InputError(source, header.line(),
                       missing_column(name, names) + other_separator(name, names, separator));
    }
    if (std::find(found + 1, names.end(), name) != names.end())
      throw InputError(source, header.line(), "column " + in_quotes(name) + " is there twice");
    places.push_back(static_cast<std::size_t>(found - names.begin()));
  }
  return places;
}

/// The row at hand. A row may lack columns at its end, where none of them was asked for.
TableRow chosen_fields(const RecordReader& reader, const std::vector<std::size_t>& places, std::size_t width,
                       std::string_view source) {
  const auto& fields = reader.fields();
  TableRow row{reader.line(), {}, {}, reader.blank()};
  const bool lacks_wanted =
      std::ranges::any_of(places, [&](std::size_t place) { return place >= fields.size(); });
  if (!row.blank && (fields.size() > width || lacks_wanted)) {
    throw InputError(
        source, reader.line(),
        fmt::format("expected {} fields, as the first line names, got {}", width, fields.size()));
  }
  row.values.reserve(places.size());
  for (const auto place : places) row.values.push_back(row.blank ? std::string() : fields[place]);
  return row;
}

Table read_records(std::string_view text, std::string_view source, RecordFormat format,
                   const std::vector<std::string>& columns) {
  RecordReader reader(text, source, format);
  if (!reader.next()) throw InputError(source, "the file is empty, expected a line of column names");
  Table table{columns.empty() ? reader.fields() : columns, {}, {}};
  const auto places = locate(table.columns, reader, source, format.separator);
  const auto width = reader.fields().size();
  while (reader.next()) table.rows.push_back(chosen_fields(reader, places, width, source));
  return table;
}

Table parse_tsv(std::string_view text, std::string_view source, const std::vector<std::string>& columns,
                std::optional<bool> quoted) {
  std::optional<bool> by_content;
  if (!quoted && text.find('"') != text.npos) by_content = fields_are_quoted(text, '\t');
  auto table = read_records(text, source, {'\t', quoted.value_or(by_content.value_or(false))}, columns);
  table.quoted_by_content = by_content;
  return table;
}

}  // namespace

std::string missing_column(const std::string& name, const std::vector<std::string>& known) {
  const auto nearest = nearest_name(name, known);
  return fmt::format("no column {}; {}there are {}", in_quotes(name),
                     nearest ? "the nearest name is " + in_quotes(*nearest) + ", " : "",
                     in_quotes_each(known));
}

TableFormat table_format(const std::filesystem::path& path) {
  constexpr std::array<std::pair<std::string_view, TableFormat>, 4> kSuffixes = {
      {{".csv", TableFormat::csv},
       {".tsv", TableFormat::tsv},
       {".jsonl", TableFormat::json},
       {".json", TableFormat::json}}};
  auto suffix = path.extension().string();
  std::ranges::transform(suffix, suffix.begin(),
                         [](char c) { return 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  for (const auto& [known, format] : kSuffixes) {
    if (suffix == known) return format;
  }
  throw InputError(path.string(), "expected a name that ends with .csv, .tsv, .jsonl or .json");
}

Table parse_table(std::string_view text, std::string_view source, TableFormat format,
                  const std::vector<std::string>& columns, const TableOptions& options) {
  require_utf8(text, source);
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Table table;
  if (format == TableFormat::json) {
    table = parse_json_rows(text, source, columns, options.any_value_column);
  } else if (format == TableFormat::tsv) {
    table = parse_tsv(text, source, columns, options.quoted);
  } else {
    table = read_records(text, source, {',', options.quoted.value_or(true)}, columns);
  }
  if (table.rows.empty()) throw InputError(source, "expected at least one row, got none");
  return table;
}

Table read_table(const std::filesystem::path& path, const std::vector<std::string>& columns,
                 const TableOptions& options) {
  const auto format = table_format(path);
  return parse_table(read_file(path), path.string(), format, columns, options);
}

}  // namespace vcas::formats
