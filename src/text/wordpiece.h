#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "vcas/text/tokenizer.h"

namespace vcas::text {

/// Vocabulary: token to id.
using Vocabulary = std::unordered_map<std::string, int32_t>;

/// A token that is found in the text as it stands, before it is cut into words.
struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool single_word = false;  ///< only where no word character stands beside it
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space after it
  bool normalized = false;   ///< is looked for in the normalised text
  bool special = false;      ///< is text like any other where special tokens are split
};

/// The values of a tokenizer's files that change what comes out, by tokenizer.json's names for its part.
struct WordPieceOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  std::optional<bool> strip_accents = std::nullopt;  ///< unset: as lowercase
  bool lowercase = true;
  std::string unk_token = "[UNK]";
  std::string cls_token = "[CLS]";
  std::string sep_token = "[SEP]";
  std::string continuing_subword_prefix = "##";
  int64_t max_input_chars_per_word = 100;  ///< in code points; a longer word becomes unk_token
  bool token_types = true;                 ///< false: the second text has token type 0 too
  bool truncate_left = false;              ///< a text that is too long loses its beginning
  bool split_special_tokens = false;       ///< special tokens in a text are cut into pieces like other words
};

class AddedTokenMatcher;

/// WordPiece with BERT's normalisation: the same ids as the Python package `tokenizers`. A text becomes
/// [CLS] a [SEP], a pair [CLS] a [SEP] b [SEP]. Source: Devlin et al., BERT (2018), and the package's
/// BertNormalizer, BertPreTokenizer and WordPiece.
class WordPiece final : public Tokenizer {
 public:
  /// @throws std::invalid_argument when unk_token, cls_token or sep_token is neither in the vocabulary nor
  /// added.
  WordPiece(const Vocabulary& vocabulary, WordPieceOptions options, std::vector<AddedToken> added_tokens);
  ~WordPiece() override;
  WordPiece(WordPiece&&) noexcept;
  WordPiece& operator=(WordPiece&&) noexcept;

  /// Reads a model folder as Hugging Face's AutoTokenizer (transformers 5) does. Of a BertTokenizer or one of
  /// its kind the vocabulary is taken from tokenizer.json, else vocab.txt, added tokens from
  /// tokenizer_config.json, else from special_tokens_map.json, added_tokens.json and tokenizer.json, and all
  /// else from tokenizer_config.json, whose keys have BERT's defaults. Of a PreTrainedTokenizerFast
  /// tokenizer.json is followed as it stands.
  /// @throws formats::InputError naming file and key: another class or kind of tokenizer, no vocabulary, a
  ///         value of the wrong type, a vocabulary without unk_token.
  static WordPiece from_folder(const std::filesystem::path& folder);

  int64_t vocabulary_size() const override { return vocabulary_size_; }
  std::unique_ptr<TextEncoder> encoder() const override;
  std::optional<int32_t> token_id(std::string_view token) const;
  const WordPieceOptions& options() const { return options_; }

 private:
  friend class WordPieceEncoder;
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the standard library's name
  };
  using Index = std::unordered_map<std::string, int32_t, Hash, std::equal_to<>>;

  std::u32string normalize(std::string_view text) const;
  int32_t required_id(const std::string& token, const char* role) const;

  WordPieceOptions options_;
  Index tokens_;
  Index continuations_;  ///< without their prefix
  Index added_;
  std::unique_ptr<AddedTokenMatcher> raw_matcher_;
  std::unique_ptr<AddedTokenMatcher> normalized_matcher_;
  std::size_t longest_token_ = 0;  ///< bytes
  int32_t unk_id_ = 0, cls_id_ = 0, sep_id_ = 0;
  int64_t vocabulary_size_ = 0;
};

/// Applies a WordPiece tokenizer and remembers the words that it has met; ids never depend on them.
class WordPieceEncoder final : public TextEncoder {
 public:
  /// @param tokenizer must outlive this.
  explicit WordPieceEncoder(const WordPiece& tokenizer) : tokenizer_(tokenizer) {}

  /// The ids of a text without [CLS] and [SEP]. @param text well-formed UTF-8.
  std::vector<int32_t> tokens(std::string_view text);
  /// The smallest max_length is 2, of a pair 3: [CLS] and [SEP].
  Encoding encode(std::string_view text, int64_t max_length) override;
  Encoding encode_pair(std::string_view first, std::string_view second, int64_t max_length) override;

 private:
  void append_piece(std::string_view text, std::vector<int32_t>& ids);
  void append_normalized(std::string_view text, std::vector<int32_t>& ids);
  void append_raw_word(std::string_view word, std::vector<int32_t>& ids);
  void append_ascii_word(std::string_view word, std::vector<int32_t>& ids);
  void append_words(std::u32string_view normalized, std::vector<int32_t>& ids);
  void append_word(std::string_view word, std::vector<int32_t>& ids) const;

  const WordPiece& tokenizer_;
  std::unordered_map<std::string, std::vector<int32_t>, WordPiece::Hash, std::equal_to<>> cache_;
  std::string buffer_;
};

}  // namespace vcas::text
