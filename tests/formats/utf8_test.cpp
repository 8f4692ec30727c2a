#include "formats/utf8.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>

#include "formats/support.h"

namespace vcas::formats {
namespace utf8_test {

/// The bit pattern of a code point at a chosen length, whether that is allowed or not.
std::string encode(uint32_t code_point, int length) {
  if (length == 1) return std::string(1, static_cast<char>(code_point));
  constexpr std::array<int, 5> kLead = {0, 0, 0xC0, 0xE0, 0xF0};
  std::string bytes(
      1, static_cast<char>(kLead[static_cast<std::size_t>(length)] | code_point >> 6 * (length - 1)));
  for (int i = length - 2; i >= 0; --i) bytes += static_cast<char>(0x80 | (code_point >> 6 * i & 0x3F));
  return bytes;
}

int shortest_length(uint32_t code_point) {
  return code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
}

bool is_scalar(uint32_t code_point) {
  return code_point < 0xD800 || (0xE000 <= code_point && code_point <= 0x10FFFF);
}

TEST(Utf8, AcceptsExactlyTheShortestFormsOfScalarValues) {
  for (uint32_t code_point = 0; code_point < 0x200000; ++code_point) {
    for (int length = shortest_length(code_point); length <= 4; ++length) {
      const bool valid = is_scalar(code_point) && length == shortest_length(code_point);
      ASSERT_EQ(!first_invalid_utf8(encode(code_point, length)), valid)
          << code_point << " in " << length << " bytes";
    }
  }
}

TEST(Utf8, RefusesCutSequencesAndStrayBytes) {
  for (const std::string bytes :
       {"\x80", "\xBF", "\xC3", "\xE2\x82", "\xF0\x9F\x98", "\xC3(", "\xFE", "\xFF"}) {
    EXPECT_EQ(first_invalid_utf8("plain ascii " + bytes), 12u);
    EXPECT_EQ(first_invalid_utf8("plain ascii " + bytes + " and more of it"), 12u);
  }
}

RC_GTEST_PROP(Utf8, FindsTheFirstBadByteWhereverItStands, (const std::vector<uint32_t>& code_points)) {
  std::string text;
  for (const auto value : code_points) {
    const auto code_point = value % 0x110000;
    if (is_scalar(code_point)) text += encode(code_point, shortest_length(code_point));
  }
  RC_ASSERT(!first_invalid_utf8(text));
  RC_ASSERT(first_invalid_utf8(text + "\xFF" + text) == text.size());
}

TEST(Utf8, MessageNamesFileLineAndByte) {
  EXPECT_EQ(input_error([] { require_utf8("one\ntwo\nth\xFFree\n", "a.csv"); }),
            "a.csv:3: expected UTF-8, got byte 0xff (byte 3 of the line)");
  EXPECT_EQ(input_error([] { require_utf8("\xC3", "a.csv"); }),
            "a.csv:1: expected UTF-8, got byte 0xc3 (byte 1 of the line)");
}

TEST(Utf8, GuessesUtf16FromItsByteOrderMark) {
  EXPECT_NE(input_error([] {
              require_utf8(std::string_view("\xFF\xFEs\0", 4), "a.csv");
            }).find("looks like UTF-16"),
            std::string::npos);
}

}  // namespace utf8_test
}  // namespace vcas::formats
