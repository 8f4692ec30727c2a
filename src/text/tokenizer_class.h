#pragma once

#include <filesystem>

namespace vcas::text {

/// Kinds of tokenizer that Hugging Face's class names stand for.
enum class TokenizerClass {
  bert,            ///< the vocabulary of the files, all else by tokenizer_config.json
  distilbert,      ///< the same, by default without token types
  tokenizer_json,  ///< tokenizer.json as it stands
};

/// The class that tokenizer_config.json names, else config.json, else bert.
/// @throws formats::InputError naming file and class when it is another one.
TokenizerClass read_tokenizer_class(const std::filesystem::path& folder);

}  // namespace vcas::text
