#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/wordpiece.h"
#include "vcas/formats/json.h"

namespace vcas::text {

// Parts of a tokenizer.json that holds a WordPiece tokenizer. All throw formats::InputError naming file and
// key.

/// @throws also for another version of the format, and another model than WordPiece.
Vocabulary read_vocabulary(const formats::JsonObject& root);

/// "left" or "right" where the file sets a truncation.
std::optional<std::string> truncation_side(const formats::JsonObject& root);

/// A special token and the id that the post-processor writes for it.
struct ProcessorToken {
  std::string content;
  int64_t id = 0;
};

/// Everything but the vocabulary and the added tokens, of a tokenizer that is followed as it stands.
struct TokenizerJson {
  WordPieceOptions options;
  ProcessorToken cls, sep;
};
/// @throws also for another normalizer, pre-tokenizer or post-processor than BERT's.
TokenizerJson read_tokenizer_json(const formats::JsonObject& root);

/// Keys whose values differ from the options that are followed instead, with those values:
/// "normalizer.lowercase (false)".
std::vector<std::string> overruled_keys(const formats::JsonObject& root, const WordPieceOptions& followed);

}  // namespace vcas::text
