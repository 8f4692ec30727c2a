#include "formats/delimited.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "formats/file.h"
#include "formats/json_lines.h"
#include "formats/message.h"
#include "formats/nearest_name.h"
#include "formats/records.h"
#include "formats/utf8.h"
#include "vcas/formats/error.h"

namespace vcas::formats {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::unique_ptr<RecordReader> make_reader(std::string_view text, std::string_view source,
                                          TableFormat format) {
  if (format == TableFormat::csv) return std::make_unique<CsvReader>(text, source);
  return std::make_unique<TsvReader>(text, source);
}

void require_unique(const std::vector<std::string>& names, std::string_view source, int64_t line) {
  auto sorted = names;
  std::ranges::sort(sorted);
  const auto twice = std::ranges::adjacent_find(sorted);
  if (twice != sorted.end())
    throw InputError(source, line, "column " + in_quotes(*twice) + " is there twice");
}

/// Where each wanted column stands in the header.
std::vector<std::size_t> locate(const std::vector<std::string>& wanted,
                                const std::vector<std::string>& header, std::string_view source,
                                int64_t line) {
  std::vector<std::size_t> places;
  for (const auto& name : wanted) {
    const auto found = std::ranges::find(header, name);
    if (found == header.end()) throw InputError(source, line, missing_column(name, header));
    places.push_back(static_cast<std::size_t>(found - header.begin()));
  }
  return places;
}

Table read_records(RecordReader& reader, std::string_view source, const std::vector<std::string>& columns) {
  if (!reader.next()) throw InputError(source, "the file is empty, expected a line of column names");
  const auto header = reader.fields();
  require_unique(header, source, reader.line());
  Table table{columns.empty() ? header : columns, {}};
  const auto places = locate(table.columns, header, source, reader.line());
  while (reader.next()) {
    const auto& fields = reader.fields();
    if (fields.size() != header.size()) {
      throw InputError(
          source, reader.line(),
          fmt::format("expected {} fields, as the first line names, got {}", header.size(), fields.size()));
    }
    auto& row = table.rows.emplace_back();
    row.line = reader.line();
    row.values.reserve(places.size());
    for (const auto place : places) row.values.push_back(fields[place]);
  }
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
  constexpr std::array<std::pair<std::string_view, TableFormat>, 3> kSuffixes = {
      {{".csv", TableFormat::csv}, {".tsv", TableFormat::tsv}, {".jsonl", TableFormat::jsonl}}};
  auto suffix = path.extension().string();
  std::ranges::transform(suffix, suffix.begin(),
                         [](char c) { return 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  for (const auto& [known, format] : kSuffixes) {
    if (suffix == known) return format;
  }
  throw InputError(path.string(), "expected a name that ends with .csv, .tsv or .jsonl");
}

Table parse_table(std::string_view text, std::string_view source, TableFormat format,
                  const std::vector<std::string>& columns) {
  require_utf8(text, source);
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Table table;
  if (format == TableFormat::jsonl) {
    table = parse_json_lines(text, source, columns);
  } else {
    table = read_records(*make_reader(text, source, format), source, columns);
  }
  if (table.rows.empty()) throw InputError(source, "expected at least one row, got none");
  return table;
}

Table read_table(const std::filesystem::path& path, const std::vector<std::string>& columns) {
  const auto format = table_format(path);
  return parse_table(read_file(path), path.string(), format, columns);
}

}  // namespace vcas::formats
