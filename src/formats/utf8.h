#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vcas::formats {

/// Position of the first byte that begins no well-formed UTF-8 sequence (overlong forms, surrogates, values
/// above U+10FFFF and cut sequences are refused); nothing when all of it is well-formed. Source: The Unicode
/// Standard 15.0, table 3-7.
std::optional<std::size_t> first_invalid_utf8(std::string_view bytes);

/// Line of a byte position, counted from 1; lines end with LF, CRLF or CR.
int64_t line_of(std::string_view bytes, std::size_t position);

/// @throws InputError "file:line: expected UTF-8, got byte 0xff (column 7)".
void require_utf8(std::string_view bytes, std::string_view source);

}  // namespace vcas::formats
