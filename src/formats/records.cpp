#include "formats/records.h"

#include <algorithm>
#include <optional>

#include "formats/message.h"
#include "formats/utf8.h"
#include "vcas/formats/error.h"

namespace vcas::formats {

namespace {

/// First and last line of a record.
struct LineRange {
  int64_t first, last;
};

/// The records of a quoted text that have line ends within a field; nothing where quotes are not well-formed,
/// where a record has more fields than the first, or where one of those has fewer.
std::optional<std::vector<LineRange>> records_over_lines(std::string_view text, char separator) {
  RecordReader reader(text, "", {separator, /*quoted=*/true});
  std::vector<LineRange> ranges;
  std::size_t width = 0;
  try {
    for (bool first = true; reader.next(); first = false) {
      const auto fields = reader.fields().size();
      if (first) width = fields;
      const bool over_lines = reader.last_line() > reader.line();
      if (reader.met_bare_quote() || (!reader.blank() && fields > width) || (over_lines && fields < width))
        return std::nullopt;
      if (over_lines) ranges.push_back({reader.line(), reader.last_line()});
    }
  } catch (const InputError&) {
    return std::nullopt;
  }
  return ranges;
}

/// Whether a text is a table too where quotes are characters: no line has more fields than the first, and the
/// lines in these ranges have no fewer.
bool is_raw_table(std::string_view text, char separator, const std::vector<LineRange>& ranges) {
  RecordReader reader(text, "", {separator, /*quoted=*/false});
  if (!reader.next()) return true;
  const auto width = reader.fields().size();
  auto range = ranges.begin();
  do {
    while (range != ranges.end() && range->last < reader.line()) ++range;
    const bool in_range = range != ranges.end() && range->first <= reader.line();
    const auto fields = reader.fields().size();
    if ((!reader.blank() && fields > width) || (in_range && fields < width)) return false;
  } while (reader.next());
  return true;
}

}  // namespace

bool fields_are_quoted(std::string_view text, char separator) {
  const auto over_lines = records_over_lines(text, separator);
  if (!over_lines) return false;
  return over_lines->empty() || !is_raw_table(text, separator, *over_lines);
}

bool RecordReader::blank() const {
  return std::ranges::all_of(fields_, [](const std::string& field) { return field.empty(); });
}

void RecordReader::take_line_end() {
  if (!at_line_end()) return;
  position_ += text_.substr(position_, 2) == "\r\n" ? 2 : 1;
  ++line_;
}

void RecordReader::skip_blank_lines() {
  while (!at_end()) {
    const auto* blanks = format_.separator == '\t' ? " " : " \t";
    const auto end = std::min(text_.find_first_not_of(blanks, position_), text_.size());
    if (end < text_.size() && text_[end] != '\n' && text_[end] != '\r') return;
    position_ = end;
    take_line_end();
  }
}

bool RecordReader::next() {
  skip_blank_lines();
  if (at_end()) return false;
  record_line_ = line_;
  std::size_t count = 0;
  for (;;) {
    // Strings are reused from record to record: most of the time goes into memory otherwise.
    if (count == fields_.size()) fields_.emplace_back();
    auto& field = fields_[count++];
    field.clear();
    read_field(field);
    if (!at(format_.separator)) break;
    ++position_;
  }
  fields_.resize(count);
  last_line_ = line_;
  take_line_end();
  return true;
}

void RecordReader::read_field(std::string& field) {
  if (format_.quoted && at('"')) return read_quoted(field);
  read_plain(field);
  met_bare_quote_ = met_bare_quote_ || field.find('"') != field.npos;
}

void RecordReader::read_plain(std::string& field) {
  const auto ends = [stop = format_.separator](char c) { return c == stop || c == '\n' || c == '\r'; };
  const auto begin = text_.begin() + static_cast<std::ptrdiff_t>(position_);
  const auto count = static_cast<std::size_t>(std::find_if(begin, text_.end(), ends) - begin);
  field.append(text_.substr(position_, count));
  position_ += count;
}

void RecordReader::read_quoted(std::string& field) {
  const auto opened = line_;
  const auto begin = position_;
  for (;;) {
    ++position_;  // the opening quote, or the second of a doubled one
    const auto end = text_.find('"', position_);
    if (end == text_.npos)
      throw InputError(source_, opened, "bad quoting: the quote that opens here is never closed");
    field.append(text_.substr(position_, end - position_));
    position_ = end + 1;
    if (!at('"')) break;
    field += '"';
  }
  line_ += line_of(text_.substr(begin, position_ - begin), position_ - begin) - 1;
  if (!at_end() && !at(format_.separator) && !at_line_end()) {
    throw InputError(source_, opened,
                     std::string("bad quoting: expected a ") + (format_.separator == '\t' ? "tab" : "comma") +
                         " or the line's end after the closing quote of " + in_quotes(field));
  }
}

}  // namespace vcas::formats
