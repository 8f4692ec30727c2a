#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "vcas/data/dataset.h"
#include "vcas/data/text_batch.h"
#include "vcas/text/tokenizer.h"

namespace vcas::data {

/// A dataset as token ids: 4 bytes a token, and what batches are packed from.
class TokenizedTexts {
 public:
  /// Tokenises every text or pair once, on `threads` threads; the result does not depend on their number.
  /// @param max_length with special tokens; longer texts are cut (text::TextEncoder).
  /// @throws std::invalid_argument when max_length is too small or threads < 1.
  TokenizedTexts(const TextDataset& dataset, const text::Tokenizer& tokenizer, int64_t max_length,
                 int64_t threads);

  int64_t size() const { return static_cast<int64_t>(labels_.size()); }
  int64_t length(int64_t example) const;
  std::vector<int64_t> lengths() const;
  std::span<const int32_t> ids(int64_t example) const;
  /// Position in ids(example) from which on the token type is 1.
  int64_t second_begin(int64_t example) const { return second_begin_.at(static_cast<std::size_t>(example)); }
  int64_t label(int64_t example) const { return labels_.at(static_cast<std::size_t>(example)); }
  /// Tokens after which a text was cut.
  int64_t max_length() const { return max_length_; }
  /// Texts that were longer than max_length.
  int64_t truncated_count() const { return truncated_count_; }
  int64_t token_count() const { return offsets_.back(); }
  /// Of tokens, token types, labels and names of the classes, in their order: 16 hexadecimal digits. Equal
  /// for equal data on every machine.
  const std::string& digest() const { return digest_; }

  /// @throws std::out_of_range for an index outside the dataset.
  PackedTexts pack(std::span<const int64_t> examples) const;

 private:
  std::vector<int32_t> ids_;
  std::vector<int64_t> offsets_{0};
  std::vector<int32_t> second_begin_;
  std::vector<int64_t> labels_;
  int64_t max_length_ = 0;
  int64_t truncated_count_ = 0;
  std::string digest_;
};

}  // namespace vcas::data
