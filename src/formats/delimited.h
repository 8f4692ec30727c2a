#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vcas::formats {

enum class TableFormat {
  csv,    ///< RFC 4180: comma, "quoted, fields", "" inside quotes, line feeds inside quotes
  tsv,    ///< tab separated, as GLUE's files: a quote is a character like any other, a field holds no tab or
          ///< line feed
  jsonl,  ///< a JSON object a line; strings as they are, numbers as the text that the file has
};

/// One row, its values in the order of Table::columns.
struct TableRow {
  int64_t line = 0;  ///< where it begins in the file, counted from 1
  std::vector<std::string> values;
};

struct Table {
  std::vector<std::string> columns;
  std::vector<TableRow> rows;
};

/// By suffix, letter case ignored: .csv, .tsv, .jsonl. @throws InputError naming the three for any other.
TableFormat table_format(const std::filesystem::path& path);

/// Reads chosen columns of a file whose first line (CSV, TSV) or keys (JSONL) name them.
/// Lines end with LF or CRLF, a byte order mark is skipped, so are empty lines. Columns that were not asked
/// for are checked for form only.
/// @param columns what to read, in this order; empty means all (for JSONL the keys of the first line).
/// @throws InputError "train.csv:7: expected 3 fields, got 2": ragged rows, bad quoting, invalid UTF-8, a
/// column that is missing (with the nearest name there is), a JSONL value that is neither string nor number,
/// an empty file, no rows.
Table read_table(const std::filesystem::path& path, const std::vector<std::string>& columns);
/// @param source names the text in messages.
Table parse_table(std::string_view text, std::string_view source, TableFormat format,
                  const std::vector<std::string>& columns);

}  // namespace vcas::formats
