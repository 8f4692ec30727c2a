#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

namespace vcas::text {

/// One text or a pair as token ids, with the special tokens that its model expects.
struct Encoding {
  std::vector<int32_t> ids;
  int64_t second_begin = 0;  ///< ids from here on have token type 1; ids.size() for a single text
  bool truncated = false;
};

/// Encodes texts one after the other for one thread. The ids depend on the text and the tokenizer alone.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;

  /// @param text well-formed UTF-8.
  /// @param max_length with special tokens; the end of a longer text is cut off, of a pair "longest first":
  /// the longer
  ///        text until both are equally long, then both, an odd token going to the longer one.
  /// @throws std::invalid_argument when max_length has no room for the special tokens.
  virtual Encoding encode(std::string_view text, int64_t max_length) = 0;
  virtual Encoding encode_pair(std::string_view first, std::string_view second, int64_t max_length) = 0;
};

/// Turns texts into token ids. Immutable, so that threads can share it.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// One more than the largest id: the rows that an embedding must have.
  virtual int64_t vocabulary_size() const = 0;
  /// An encoder for one thread. The tokenizer must outlive it.
  virtual std::unique_ptr<TextEncoder> encoder() const = 0;
};

/// The tokenizer of a model folder, chosen by its files: WordPiece from tokenizer.json, or from vocab.txt
/// with tokenizer_config.json, which may be missing.
/// @throws formats::InputError naming file and key; as WordPiece::from_folder.
std::unique_ptr<const Tokenizer> read_tokenizer(const std::filesystem::path& folder);

/// The files of a model folder that Hugging Face needs for its tokenizer, as many as are there:
/// tokenizer.json, tokenizer_config.json, vocab.txt, special_tokens_map.json, added_tokens.json.
std::vector<std::filesystem::path> tokenizer_files(const std::filesystem::path& folder);

}  // namespace vcas::text
