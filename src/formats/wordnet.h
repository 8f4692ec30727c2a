#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vcas::formats {

/// One meaning in WordNet: what it is called, its lexicographer file (a coarse class) and how it is
/// explained.
struct Synset {
  std::string id;            ///< part of speech and offset: "n00001740"
  int64_t lexical_file = 0;  ///< 0..44; nouns are 3..28
  std::string gloss;         ///< definition and examples
};

inline constexpr int64_t kLexicalFileCount = 45;
inline constexpr int64_t kFirstNounLexicalFile = 3;
inline constexpr int64_t kNounLexicalFileCount = 26;

/// "noun.person" for 18. @throws std::out_of_range outside 0..44. Source: lexnames(5WN).
std::string_view lexical_file_name(int64_t number);

/// Reads a data file of WordNet 3.0 (Debian's wordnet-base: /usr/share/wordnet/data.noun), in file order.
/// @throws InputError "data.noun:31: expected ..., got ...". Source: wndb(5WN).
std::vector<Synset> read_wordnet(const std::filesystem::path& path);
/// @param source names the text in messages.
std::vector<Synset> parse_wordnet(std::string_view text, std::string_view source);

}  // namespace vcas::formats
