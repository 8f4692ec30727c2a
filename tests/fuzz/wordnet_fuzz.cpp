// Whatever the bytes: an InputError, or synsets that each have an id, a class and a gloss.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "formats/wordnet.h"
#include "vcas/formats/error.h"

using vcas::formats::InputError;

// NOLINTNEXTLINE(readability-identifier-naming): the name that libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  try {
    for (const auto& synset :
         vcas::formats::parse_wordnet({reinterpret_cast<const char*>(data), size}, "fuzz")) {
      if (synset.id.size() != 9 || synset.gloss.empty() ||
          vcas::formats::lexical_file_name(synset.lexical_file).empty())
        std::abort();
    }
  } catch (const InputError&) {
  }
  return 0;
}
