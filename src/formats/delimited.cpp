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

std::string_view header_line(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  return text.substr(0, text.find_first_of("\r\n"));
}

/// Without blanks at its ends, and without the quotes around it.
std::string_view bare_field(std::string_view field) {
  constexpr std::string_view kBlanks = " \t";
  const auto begin = std::min(field.find_first_not_of(kBlanks), field.size());
  field = field.substr(begin, field.find_last_not_of(kBlanks) + 1 - begin);
  if (field.size() >= 2 && field.front() == '"' && field.back() == '"')
    field = field.substr(1, field.size() - 2);
  return field;
}

/// Whether a column of this name is in a line whose fields end at this separator.
bool names_column(std::string_view line, char separator, const std::string& name) {
  RecordReader reader(line, "", {separator, /*quoted=*/false});
  if (!reader.next() || reader.fields().size() < 2) return false;
  return std::ranges::find(reader.fields(), name, bare_field) != reader.fields().end();
}

/// For a text without a header of the columns that were asked for: what it may be instead.
std::string other_separator(std::string_view text, const std::vector<std::string>& wanted, char separator) {
  const auto header = header_line(text);
  if (const auto mark = bare_field(header); mark.starts_with("sep=") && mark.size() <= 5) {
    return fmt::format(
        "; the first line is Excel's mark of a separator ({}): take it out{}", in_quotes(mark),
        mark.size() == 5 && mark.back() == separator
            ? ""
            : fmt::format(" and save the file with fields separated by {}", separator_name(separator)));
  }
  for (const char other : {';', '\t', ',', '|'}) {
    if (other == separator) continue;
    if (std::ranges::none_of(wanted, [&](const auto& name) { return names_column(header, other, name); }))
      continue;
    return fmt::format("; did you mean a file separated by {}? Fields of this one are separated by {}{}",
                       other == '\t' ? "tabs" : fmt::format("'{}'", other), separator_name(separator),
                       other == '\t' ? ", those of a .tsv file by tabs" : "");
  }
  return {};
}

/// Where each wanted column stands in the header.
std::vector<std::size_t> locate(const std::vector<std::string>& wanted, const RecordReader& header,
                                std::string_view text, std::string_view source, char separator) {
  const auto& names = header.fields();
  std::vector<std::size_t> places;
  for (const auto& name : wanted) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
      throw InputError(source, header.line(),
                       missing_column(name, names) + other_separator(text, {name}, separator));
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

/// Reads the first record; false where there is none.
bool read_header(RecordReader& reader, std::string_view text, const std::vector<std::string>& columns,
                 char separator) {
  try {
    return reader.next();
  } catch (const InputError& error) {
    throw InputError(error.what() + other_separator(text, columns, separator));
  }
}

Table read_records(std::string_view text, std::string_view source, RecordFormat format,
                   const std::vector<std::string>& columns) {
  RecordReader reader(text, source, format);
  if (!read_header(reader, text, columns, format.separator))
    throw InputError(source, "the file is empty, expected a line of column names");
  Table table{columns.empty() ? reader.fields() : columns, {}, {}};
  const auto places = locate(table.columns, reader, text, source, format.separator);
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
