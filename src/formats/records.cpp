#include "formats/records.h"

#include <algorithm>

#include "formats/message.h"
#include "vcas/formats/error.h"

namespace vcas::formats {

void RecordReader::fail(int64_t line, std::string_view message) const {
  throw InputError(source_, line, message);
}

bool RecordReader::at_line_end() const { return at('\n') || text_.substr(position_, 2) == "\r\n"; }

bool RecordReader::take_line_end() {
  if (!at_line_end()) return false;
  position_ += at('\n') ? 1 : 2;
  ++line_;
  return true;
}

void RecordReader::read_plain(std::string& field) {
  const auto end = std::find_if(text_.begin() + static_cast<std::ptrdiff_t>(position_), text_.end(),
                                [stop = separator()](char c) { return c == stop || c == '\n' || c == '\r'; });
  const auto count = static_cast<std::size_t>(end - text_.begin()) - position_;
  field.append(text_.substr(position_, count));
  position_ += count;
  if (at('\r') && !at_line_end())
    fail(line_, "a carriage return without a line feed; expected lines that end with LF or CRLF");
}

bool RecordReader::next() {
  while (take_line_end()) {
  }
  if (at_end()) return false;
  record_line_ = line_;
  std::size_t count = 0;
  for (;;) {
    // Strings are reused from record to record: most of the time goes into memory otherwise.
    if (count == fields_.size()) fields_.emplace_back();
    auto& field = fields_[count++];
    field.clear();
    read_field(field);
    if (!at(separator())) break;
    ++position_;
  }
  fields_.resize(count);
  take_line_end();
  return true;
}

void CsvReader::read_field(std::string& field) {
  if (at('"')) {
    read_quoted(field);
    return;
  }
  read_plain(field);
  if (field.find('"') != field.npos) {
    fail(line_, "bad quoting: a quote inside the unquoted field " + in_quotes(field) +
                    "; expected the whole field in quotes and the quote doubled");
  }
}

void CsvReader::read_quoted(std::string& field) {
  const auto opened = line_;
  for (;;) {
    ++position_;  // the opening quote, or the second of a doubled one
    const auto end = text_.find('"', position_);
    if (end == text_.npos) fail(opened, "bad quoting: the quote that opens here is never closed");
    const auto piece = text_.substr(position_, end - position_);
    line_ += std::count(piece.begin(), piece.end(), '\n');
    field.append(piece);
    position_ = end + 1;
    if (!at('"')) break;
    field += '"';
  }
  if (!at_end() && !at(separator()) && !at_line_end()) {
    fail(line_,
         "bad quoting: expected a comma or the line's end after the closing quote of " + in_quotes(field));
  }
}

void TsvReader::read_field(std::string& field) { read_plain(field); }

}  // namespace vcas::formats
