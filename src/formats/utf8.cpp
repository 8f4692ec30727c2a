#include "formats/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "vcas/formats/error.h"

namespace vcas::formats {

namespace {

unsigned char byte_at(std::string_view bytes, std::size_t position) {
  return position < bytes.size() ? static_cast<unsigned char>(bytes[position]) : 0;
}

bool between(unsigned char byte, unsigned char low, unsigned char high) {
  return low <= byte && byte <= high;
}

/// Length of the well-formed sequence that begins here, 0 when there is none. A missing byte reads as 0,
/// which continues nothing.
std::size_t sequence_length(std::string_view bytes, std::size_t position) {
  const auto first = byte_at(bytes, position);
  if (first < 0x80) return 1;
  if (!between(first, 0xC2, 0xF4)) return 0;
  // The second byte's range excludes overlong forms (E0, F0), surrogates (ED) and values above U+10FFFF (F4).
  const unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (!between(byte_at(bytes, position + 1), low, high)) return 0;
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  for (std::size_t i = 2; i < length; ++i) {
    if (!between(byte_at(bytes, position + i), 0x80, 0xBF)) return 0;
  }
  return length;
}

bool eight_ascii_bytes(std::string_view bytes, std::size_t position) {
  uint64_t word = 0;
  if (position + sizeof word > bytes.size()) return false;
  std::memcpy(&word, bytes.data() + position, sizeof word);
  return (word & 0x8080808080808080u) == 0;
}

/// Where a text of UTF-16 without a byte order mark begins with two ASCII characters: its first zero byte.
std::optional<std::size_t> zero_of_utf16(std::string_view bytes) {
  if (bytes.size() < 4) return std::nullopt;
  const bool first = bytes[0] == 0, second = bytes[1] == 0;
  if (first == second || (bytes[2] == 0) != first || (bytes[3] == 0) != second) return std::nullopt;
  return first ? 0 : 1;
}

}  // namespace

std::optional<std::size_t> first_invalid_utf8(std::string_view bytes) {
  for (std::size_t position = 0; position < bytes.size();) {
    if (eight_ascii_bytes(bytes, position)) {
      position += 8;
      continue;
    }
    const auto length = sequence_length(bytes, position);
    if (length == 0) return position;
    position += length;
  }
  return std::nullopt;
}

int64_t line_of(std::string_view bytes, std::size_t position) {
  int64_t line = 1;
  for (std::size_t i = 0; i < std::min(position, bytes.size()); ++i) {
    if (bytes[i] == '\n' || (bytes[i] == '\r' && byte_at(bytes, i + 1) != '\n')) ++line;
  }
  return line;
}

void require_utf8(std::string_view bytes, std::string_view source) {
  const auto zero = zero_of_utf16(bytes);
  const auto position = zero ? zero : first_invalid_utf8(bytes);
  if (!position) return;
  const auto line_begin = bytes.substr(0, *position).find_last_of("\r\n") + 1;  // npos + 1 is 0
  const bool utf16 = zero || bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF");
  throw InputError(
      source, line_of(bytes, *position),
      fmt::format("expected UTF-8, got byte 0x{:02x} (byte {} of the line){}", byte_at(bytes, *position),
                  *position - line_begin + 1, utf16 ? "; the file looks like UTF-16: save it as UTF-8" : ""));
}

}  // namespace vcas::formats
