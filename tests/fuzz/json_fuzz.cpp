// Whatever the bytes: an InputError, or a document that nlohmann's own parser reads the same.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "vcas/formats/error.h"
#include "vcas/formats/json.h"

using vcas::formats::InputError;

// NOLINTNEXTLINE(readability-identifier-naming): the name that libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto document = vcas::formats::parse_json(text, "fuzz");
    if (document != nlohmann::json::parse(text)) std::abort();
  } catch (const InputError&) {
  }
  return 0;
}
