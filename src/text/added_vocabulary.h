#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "text/wordpiece.h"

namespace vcas::text {

/// An added token as a file declares it.
struct DeclaredToken {
  std::string content;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool special = false;
  std::optional<bool> normalized = std::nullopt;  ///< unset: where it is not special

  bool operator==(const DeclaredToken&) const = default;
};

/// Gives ids to tokens that are added one after another, as the Python package `tokenizers` does: the id of
/// the vocabulary, else the next free one, whatever id a file has for it. A token that comes again takes the
/// new flags, but a special one is looked for as it was declared first.
class AddedVocabulary {
 public:
  /// @param vocabulary must outlive this.
  explicit AddedVocabulary(const Vocabulary& vocabulary);

  /// A token without content changes nothing.
  void add(const DeclaredToken& token);
  /// What a text is searched for.
  std::vector<AddedToken> tokens() const;

 private:
  struct Entry {
    int32_t id = 0;
    DeclaredToken latest;
  };

  int32_t id_of(const std::string& content) const;

  const Vocabulary& vocabulary_;
  int32_t next_id_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, DeclaredToken> special_;  ///< as declared first
  std::vector<DeclaredToken> ordinary_;
};

}  // namespace vcas::text
