// tokenize_tool FOLDER MAX_LENGTH: encodes the texts on stdin, for tests that compare with Python.
// In:  a text or pair each: uint32 bytes, the text; uint32 bytes of the second or 0xFFFFFFFF for none, the
// second. Out: int32 a text: count, second_begin, truncated, then the ids.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string>

#include "vcas/text/tokenizer.h"

namespace {

constexpr uint32_t kNone = 0xFFFFFFFFu;

std::optional<uint32_t> read_number() {
  uint32_t value = 0;
  return std::fread(&value, sizeof value, 1, stdin) == 1 ? std::optional(value) : std::nullopt;
}

std::string read_text(uint32_t size) {
  std::string text(size, '\0');
  if (std::fread(text.data(), 1, size, stdin) != size)
    throw std::runtime_error("tokenize_tool: input ends early");
  return text;
}

void write(int64_t value) {
  const auto number = static_cast<int32_t>(value);
  std::fwrite(&number, sizeof number, 1, stdout);
}

void run(const char* folder, int64_t max_length) {
  const auto tokenizer = vcas::text::read_tokenizer(folder);
  const auto encoder = tokenizer->encoder();
  while (const auto size = read_number()) {
    const std::string first = read_text(*size);
    const auto second_size = read_number();
    const auto encoding = second_size.value() == kNone
                              ? encoder->encode(first, max_length)
                              : encoder->encode_pair(first, read_text(*second_size), max_length);
    write(static_cast<int64_t>(encoding.ids.size()));
    write(encoding.second_begin);
    write(encoding.truncated ? 1 : 0);
    std::fwrite(encoding.ids.data(), sizeof(int32_t), encoding.ids.size(), stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: tokenize_tool FOLDER MAX_LENGTH\n";
    return 2;
  }
  try {
    run(argv[1], std::atoll(argv[2]));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
