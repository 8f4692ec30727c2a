#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vcas::formats {

/// How a text is parted into records and fields.
struct RecordFormat {
  char separator = ',';
  /// A field whose first character is a quote ends at the next single one: "" inside stands for a quote, and
  /// separators and line ends are text. Otherwise quotes are characters like any other everywhere.
  bool quoted = true;
};

/// Reads records of a CSV or TSV text one after the other. Lines end with LF, CRLF or CR.
class RecordReader {
 public:
  RecordReader(std::string_view text, std::string_view source, RecordFormat format)
      : text_(text), source_(source), format_(format) {}

  /// Steps to the next record, over lines that are empty or blank; false at the end. @throws InputError
  /// naming the line: text after a closing quote, a quote that is never closed.
  bool next();

  /// Of the record at hand.
  const std::vector<std::string>& fields() const { return fields_; }
  int64_t line() const { return record_line_; }
  int64_t last_line() const { return last_line_; }
  bool blank() const;

  /// Whether a field met so far has a quote and is not quoted itself.
  bool met_bare_quote() const { return met_bare_quote_; }

 private:
  /// Reads one field into `field` and stops at its separator, the line's end or the text's.
  void read_field(std::string& field);
  void read_plain(std::string& field);
  void read_quoted(std::string& field);
  /// Steps over lines of spaces and tabs, where these do not separate.
  void skip_blank_lines();
  /// Steps over LF, CRLF or CR, if there is one.
  void take_line_end();
  bool at_end() const { return position_ == text_.size(); }
  bool at(char c) const { return !at_end() && text_[position_] == c; }
  bool at_line_end() const { return at('\n') || at('\r'); }

  std::string_view text_;
  std::string_view source_;
  RecordFormat format_;
  std::size_t position_ = 0;
  int64_t line_ = 1;
  std::vector<std::string> fields_;
  int64_t record_line_ = 0;
  int64_t last_line_ = 0;
  bool met_bare_quote_ = false;
};

/// Whether the fields of a text are quoted, as pandas and Excel write them: every field that has a quote is a
/// well-formed quoted field, no record has more fields than the first, and those over several lines have no
/// fewer and are no records of their own where quotes are characters (a quote that opens in one raw line and
/// closes in another).
bool fields_are_quoted(std::string_view text, char separator);

}  // namespace vcas::formats
