#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vcas::formats {

/// Reads records of a CSV or TSV text one after the other.
class RecordReader {
 public:
  RecordReader(std::string_view text, std::string_view source) : text_(text), source_(source) {}
  virtual ~RecordReader() = default;

  /// Steps to the next record, over empty lines; false at the end. @throws InputError naming the line.
  bool next();

  /// Of the record at hand.
  const std::vector<std::string>& fields() const { return fields_; }
  int64_t line() const { return record_line_; }

 protected:
  /// Reads one field into `field` and stops at its separator, the line's end or the text's.
  virtual void read_field(std::string& field) = 0;
  virtual char separator() const = 0;

  /// Appends the plain characters at the front of what is left to the field.
  void read_plain(std::string& field);
  bool at_end() const { return position_ == text_.size(); }
  bool at(char c) const { return !at_end() && text_[position_] == c; }
  bool at_line_end() const;
  [[noreturn]] void fail(int64_t line, std::string_view message) const;

  std::string_view text_;
  std::string_view source_;
  std::size_t position_ = 0;
  int64_t line_ = 1;

 private:
  /// Steps over LF or CRLF. False when there is none.
  bool take_line_end();

  std::vector<std::string> fields_;
  int64_t record_line_ = 0;
};

/// RFC 4180.
class CsvReader final : public RecordReader {
 public:
  using RecordReader::RecordReader;

 private:
  void read_field(std::string& field) override;
  char separator() const override { return ','; }
  void read_quoted(std::string& field);
};

/// Tab separated, without quoting.
class TsvReader final : public RecordReader {
 public:
  using RecordReader::RecordReader;

 private:
  void read_field(std::string& field) override;
  char separator() const override { return '\t'; }
};

}  // namespace vcas::formats
