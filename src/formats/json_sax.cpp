#include "formats/json_sax.h"

#include <iterator>

#include "formats/message.h"
#include "formats/utf8.h"
#include "vcas/formats/error.h"

namespace vcas::formats {

namespace {

/// Where a scan stands: the parser tells its handler no positions.
struct Cursor {
  std::string_view text;
  std::size_t* position;              ///< bytes read so far
  std::string_view* literal;          ///< set where a literal is read as null; without it there are none
  std::string_view replacement = {};  ///< what is left to hand out in place of a literal
  bool in_string = false;
  bool escaped = false;

  bool done() const { return replacement.empty() && *position == text.size(); }
  const char& current() const { return replacement.empty() ? text[*position] : replacement.front(); }

  void advance() {
    if (!replacement.empty()) {
      replacement.remove_prefix(1);
      if (!replacement.empty()) return;
    } else {
      track_string(text[*position]);
      ++*position;
    }
    replace_literal();
  }

  void track_string(char c) {
    if (!in_string) {
      in_string = c == '"';
      return;
    }
    if (c == '"' && !escaped) in_string = false;
    escaped = c == '\\' && !escaped;
  }

  void replace_literal() {
    if (literal == nullptr || in_string || *position == text.size()) return;
    const auto rest = text.substr(*position);
    if (rest.front() != 'N' && rest.front() != 'I' && rest.front() != '-') return;
    for (const std::string_view known : {"NaN", "-NaN", "Infinity", "-Infinity", "Inf", "-Inf"}) {
      if (!rest.starts_with(known)) continue;
      *literal = rest.substr(0, known.size());
      *position += known.size();
      replacement = "null";
      return;
    }
  }
};

/// Walks over a text for the parser.
class CursorIterator {
 public:
  // NOLINTBEGIN(readability-identifier-naming): the names that std::iterator_traits reads.
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  // NOLINTEND(readability-identifier-naming)

  /// @param cursor none: the text's end.
  explicit CursorIterator(Cursor* cursor) : cursor_(cursor) {}

  reference operator*() const { return cursor_->current(); }
  CursorIterator& operator++() {
    cursor_->advance();
    return *this;
  }
  friend bool operator==(const CursorIterator& a, const CursorIterator& b) {
    return a.at_end() == b.at_end();
  }

 private:
  bool at_end() const { return cursor_ == nullptr || cursor_->done(); }

  Cursor* cursor_;
};

/// nlohmann's message without its prefix "[json.exception.parse_error.101] parse error at line 1, column 2:
/// ".
std::string_view essence(std::string_view message) {
  constexpr std::string_view kPlace = "parse error at line";
  if (const auto end = message.find("] "); message.starts_with('[') && end != message.npos) {
    message.remove_prefix(end + 2);
  }
  if (const auto end = message.find(": "); message.starts_with(kPlace) && end != message.npos) {
    message.remove_prefix(end + 2);
  }
  return message;
}

/// Room for nlohmann's sentence; what it quotes of the text may be megabytes.
constexpr std::size_t kLongestReason = 200;

}  // namespace

void JsonHandler::fail(std::string_view message) const {
  // The last byte read may be the line feed that ended the token at fault.
  const auto last_read = position_ == 0 ? 0 : position_ - 1;
  throw InputError(source_, first_line_ + line_of(text_, last_read) - 1, message);
}

bool JsonHandler::parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
  auto reason = essence(error.what());
  const bool cut = reason.size() > kLongestReason;
  reason = reason.substr(0, kLongestReason);
  // The cut may have halved a character.
  reason = reason.substr(0, first_invalid_utf8(reason).value_or(reason.size()));
  fail("not JSON: " + std::string(reason) + (cut ? "..." : ""));
}

void JsonHandler::start(std::string_view text, std::size_t position, std::string_view source,
                        int64_t first_line) {
  // Values of one text come one after the other: the lines before are counted already.
  if (text.data() != text_.data() || position < counted_) {
    counted_ = 0;
    line_ = first_line;
  }
  text_ = text;
  source_ = source;
  first_line_ = first_line;
  position_ = position;
}

int64_t JsonHandler::line() {
  line_ += line_of(text_.substr(counted_), position_ - counted_) - 1;
  counted_ = position_;
  return line_;
}

void scan_json(std::string_view text, std::string_view source, int64_t first_line, JsonHandler& handler) {
  handler.start(text, 0, source, first_line);
  Cursor cursor{text, &handler.position_, nullptr};
  nlohmann::json::sax_parse(CursorIterator(&cursor), CursorIterator(nullptr), &handler);
}

std::size_t scan_json_value(std::string_view text, std::size_t position, std::string_view source,
                            int64_t first_line, JsonHandler& handler) {
  handler.start(text, position, source, first_line);
  Cursor cursor{text, &handler.position_, &handler.literal_};
  cursor.replace_literal();
  nlohmann::json::sax_parse(CursorIterator(&cursor), CursorIterator(nullptr), &handler,
                            nlohmann::json::input_format_t::json, /*strict=*/false);
  return handler.position_;
}

}  // namespace vcas::formats
