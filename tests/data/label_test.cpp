#include "data/label.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace vcas::data {
namespace label_test {

using formats::CellKind;

std::string value_of(std::string_view text) {
  const auto number = as_number(text);
  return number ? number->text() : "none";
}

TEST(Decimal, EqualValuesHaveEqualTexts) {
  for (const auto* text : {"1", "+1", "01", "1.", "1.0", "1e0", "10e-1", "0.1E+1", "0001.000"})
    EXPECT_EQ(value_of(text), "1") << text;
  for (const auto* text : {"0", "-0", "00", "0.0", "-0.0", ".0", "0e9", "1e-400"})
    EXPECT_EQ(value_of(text), "0") << text;
  EXPECT_EQ(value_of("1e2"), "100");
  EXPECT_EQ(value_of("-12.50"), "-12.5");
  EXPECT_EQ(value_of("1.25e1"), "12.5");
  EXPECT_EQ(value_of("125e-4"), "0.0125");
  EXPECT_EQ(value_of("18446744073709551616"), "18446744073709551616");
  EXPECT_EQ(value_of("1.0000000000000001"), "1.0000000000000001");
  EXPECT_EQ(value_of("-Infinity"), "-inf");
  EXPECT_EQ(value_of("1e400"), "inf");
  EXPECT_EQ(value_of("1e99999999999999999999"), "inf");
}

TEST(Decimal, IsWhatPandasTakesForANumber) {
  for (const auto* text : {"", "-", ".", "e1", "1e", "1e+", "1x", "0x1", "1_0", "- 1",
                           "\xE2\x88\x92"
                           "1",
                           "\xD9\xA1", "1,0", "infinite", "nan", "1..0", "--1"}) {
    EXPECT_EQ(value_of(text), "none") << text;
  }
}

RC_GTEST_PROP(Decimal, OrderIsThatOfTheValues, (int32_t a, int32_t b, bool shifted)) {
  const auto text = [&](int32_t value) { return std::to_string(value) + (shifted ? "e-3" : ""); };
  RC_ASSERT(less(*as_number(text(a)), *as_number(text(b))) == (a < b));
}

TEST(Label, LosesWhiteSpaceAtItsEnds) {
  EXPECT_EQ(trimmed(" \t\xC2\xA0x y\xE3\x80\x80\r\n"), "x y");
  EXPECT_EQ(trimmed("\xE2\x80\x83"), "");
  EXPECT_EQ(trimmed("\xE2\x80\x8Bx"), "\xE2\x80\x8Bx") << "ZERO WIDTH SPACE is no white space in Unicode";
}

TEST(Label, IsMissingAsDatasetsReadsIt) {
  for (const auto* text :
       {"", " ", "NA", "N/A", "nan", "NaN", "null", "NULL", "None", "<NA>", "#N/A", "-1.#IND"})
    EXPECT_TRUE(is_missing(make_label(text, CellKind::bare))) << text;
  for (const auto* text : {"none", "Null", "no", "nil", "0", "-", "?"})
    EXPECT_FALSE(is_missing(make_label(text, CellKind::bare))) << text;
  EXPECT_FALSE(is_missing(make_label("nan", CellKind::string)));
  EXPECT_TRUE(is_missing(make_label(" ", CellKind::string)));
  EXPECT_TRUE(is_missing(make_label("null", CellKind::missing)));
}

TEST(Label, TruthValuesAreThoseOfPandas) {
  for (const auto* text : {"true", "True", "TRUE", "tRue"})
    EXPECT_EQ(as_boolean(make_label(text, CellKind::bare)), true) << text;
  EXPECT_EQ(as_boolean(make_label("FALSE", CellKind::bare)), false);
  EXPECT_EQ(as_boolean(make_label("t", CellKind::bare)), std::nullopt);
  EXPECT_EQ(as_boolean(make_label("true", CellKind::string)), std::nullopt);
  EXPECT_EQ(as_boolean(make_label("true", CellKind::boolean)), true);
}

}  // namespace label_test
}  // namespace vcas::data
