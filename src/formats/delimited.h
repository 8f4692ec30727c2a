#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vcas::formats {

enum class TableFormat {
  csv,  ///< RFC 4180: comma, "quoted, fields", "" inside quotes, line ends inside quotes. A quote that is not
        ///< a field's first character is a character like any other
  tsv,  ///< tab separated: quoted as CSV is, or raw as GLUE's files are, where a quote is a character like
        ///< any other and a field holds no tab or line end
  json,  ///< objects one after the other, or one array of them; strings as they are, numbers as the text that
         ///< the file has
};

/// What a value was in its file.
enum class CellKind : uint8_t {
  bare,     ///< of CSV and TSV, where text, numbers and all else look alike
  string,   ///< of JSON, as all below
  number,   ///< Infinity included
  boolean,  ///< "true" or "false"
  missing,  ///< null or NaN, as the file has it
};

/// One row, its values in the order of Table::columns.
struct TableRow {
  int64_t line = 0;  ///< where it begins in the file, counted from 1
  std::vector<std::string> values;
  std::vector<CellKind> kinds;  ///< of the values; none for CSV and TSV, where all are bare
  bool blank = false;           ///< every field of the file's row is empty, those that were not asked for too
};

struct Table {
  std::vector<std::string> columns;
  std::vector<TableRow> rows;
  /// How a TSV file that has quotes was read, where that was left to the file.
  std::optional<bool> quoted_by_content;
};

struct TableOptions {
  /// Of CSV and TSV: whether fields may be quoted. Without: CSV yes, TSV where fields_are_quoted says so.
  std::optional<bool> quoted;
  /// A column whose value may also be true, false, null or NaN in JSON.
  std::string any_value_column;
};

/// By suffix, letter case ignored: .csv, .tsv, .jsonl, .json. @throws InputError naming them for any other.
TableFormat table_format(const std::filesystem::path& path);

/// Reads chosen columns of a file whose first line (CSV, TSV) or keys (JSON) name them.
/// Lines end with LF, CRLF or CR; a byte order mark, empty lines and lines of blanks are skipped. Columns
/// that were not asked for are checked for form only; they may be nameless, repeated, or missing at a row's
/// end.
/// @param columns what to read, in this order; empty means all (for JSON the keys of the first object).
/// @throws InputError "train.csv:7: expected 3 fields, got 2": ragged rows, bad quoting, invalid UTF-8, a
/// column that is missing (with the nearest name there is) or there twice, a JSON value that is neither
/// string nor number, an empty file, no rows.
Table read_table(const std::filesystem::path& path, const std::vector<std::string>& columns,
                 const TableOptions& options = {});
/// @param source names the text in messages.
Table parse_table(std::string_view text, std::string_view source, TableFormat format,
                  const std::vector<std::string>& columns, const TableOptions& options = {});

}  // namespace vcas::formats
