#include "formats/json_sax.h"

#include <iterator>

#include "formats/message.h"
#include "formats/utf8.h"
#include "vcas/formats/error.h"

namespace vcas::formats {

namespace {

/// Walks over a text and notes how far: the parser tells its handler no positions.
class TrackedIterator {
 public:
  // NOLINTBEGIN(readability-identifier-naming): the names that std::iterator_traits reads.
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  // NOLINTEND(readability-identifier-naming)

  TrackedIterator(const char* at, std::size_t* position) : at_(at), position_(position) {}

  reference operator*() const { return *at_; }
  TrackedIterator& operator++() {
    ++at_;
    ++*position_;
    return *this;
  }
  friend bool operator==(const TrackedIterator& a, const TrackedIterator& b) { return a.at_ == b.at_; }

 private:
  const char* at_;
  std::size_t* position_;
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

void scan_json(std::string_view text, std::string_view source, int64_t first_line, JsonHandler& handler) {
  handler.text_ = text;
  handler.source_ = source;
  handler.first_line_ = first_line;
  handler.position_ = 0;
  const char* begin = text.data();
  nlohmann::json::sax_parse(TrackedIterator(begin, &handler.position_),
                            TrackedIterator(begin + text.size(), &handler.position_), &handler);
}

}  // namespace vcas::formats
