#pragma once

#include <array>

namespace vcas::text {

/// Files that a tokenizer is read from, as a model's folder may hold them.
inline constexpr std::array kTokenizerFiles = {"tokenizer.json", "tokenizer_config.json", "vocab.txt",
                                               "special_tokens_map.json", "added_tokens.json"};

}  // namespace vcas::text
