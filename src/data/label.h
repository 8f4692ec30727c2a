#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "formats/delimited.h"

namespace vcas::data {

/// A label as a file has it, without white space at its ends.
struct Label {
  std::string text;
  formats::CellKind kind = formats::CellKind::bare;
};
Label make_label(std::string_view text, formats::CellKind kind);

/// Without white space at the ends, Unicode's too, as Python's str.strip().
std::string_view trimmed(std::string_view text);

/// Whether a file has no label there: nothing, null, NaN, and in CSV and TSV also the words that pandas, and
/// with it Hugging Face's datasets, reads as missing ("NA", "None", "null", ...).
bool is_missing(const Label& label);

/// Of true and false in JSON, and of bare ones of any letter case, as pandas takes them.
std::optional<bool> as_boolean(const Label& label);

/// A number in decimal, of any size and without rounding: equal values have equal texts.
struct Decimal {
  bool negative = false;
  bool finite = true;
  std::string whole;              ///< digits without leading zeros; "0"
  std::string fraction;           ///< digits without trailing zeros; empty for whole numbers
  bool written_as_float = false;  ///< with a point or an exponent

  bool is_whole() const { return finite && fraction.empty(); }
  std::string text() const;
};
/// [+-]digits[.digits][e[+-]digits], inf or infinity, as pandas reads numbers. An exponent above 308 gives
/// infinity, one below -308 zero.
std::optional<Decimal> as_number(std::string_view text);
std::optional<Decimal> as_number(const Label& label);
/// Order by value.
bool less(const Decimal& a, const Decimal& b);

}  // namespace vcas::data
