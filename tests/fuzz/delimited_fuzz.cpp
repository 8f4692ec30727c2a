// Whatever the bytes: an InputError, or a table that is rectangular and not empty. The first byte chooses
// format, columns and options.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/delimited.h"
#include "vcas/formats/error.h"

using vcas::formats::InputError;
using vcas::formats::TableFormat;

// NOLINTNEXTLINE(readability-identifier-naming): the name that libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::array kFormats = {TableFormat::csv, TableFormat::tsv, TableFormat::json};
  static const std::array<std::vector<std::string>, 2> kChoices = {std::vector<std::string>{},
                                                                   std::vector<std::string>{"b", "a"}};
  static const std::array<vcas::formats::TableOptions, 4> kOptions = {
      {{std::nullopt, ""}, {true, "a"}, {false, ""}, {std::nullopt, "a"}}};
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    const auto table = vcas::formats::parse_table(text, "fuzz", kFormats[data[0] % 3],
                                                  kChoices[data[0] / 3 % 2], kOptions[data[0] / 6 % 4]);
    if (table.rows.empty()) std::abort();
    int64_t line = 0;
    for (const auto& row : table.rows) {
      if (row.values.size() != table.columns.size() || row.line < line) std::abort();
      if (!row.kinds.empty() && row.kinds.size() != row.values.size()) std::abort();
      line = row.line;
    }
  } catch (const InputError&) {
  }
  return 0;
}
