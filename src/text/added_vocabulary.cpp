#include "text/added_vocabulary.h"

#include <algorithm>

namespace vcas::text {

AddedVocabulary::AddedVocabulary(const Vocabulary& vocabulary)
    : vocabulary_(vocabulary), next_id_(static_cast<int32_t>(vocabulary.size())) {}

int32_t AddedVocabulary::id_of(const std::string& content) const {
  if (const auto added = entries_.find(content); added != entries_.end()) return added->second.id;
  const auto known = vocabulary_.find(content);
  return known == vocabulary_.end() ? next_id_ : known->second;
}

void AddedVocabulary::add(const DeclaredToken& token) {
  if (token.content.empty()) return;
  if (token.special) special_.try_emplace(token.content, token);
  const auto before = entries_.find(token.content);
  if (before != entries_.end() && before->second.latest == token) return;
  const int32_t id = id_of(token.content);
  next_id_ = std::max(next_id_, id + 1);
  entries_.insert_or_assign(token.content, Entry{id, token});
  if (!special_.contains(token.content)) ordinary_.push_back(token);
}

std::vector<AddedToken> AddedVocabulary::tokens() const {
  std::vector<AddedToken> result;
  const auto append = [&](const DeclaredToken& token) {
    const auto& [id, latest] = entries_.at(token.content);
    result.push_back({.content = token.content,
                      .id = id,
                      .single_word = latest.single_word,
                      .lstrip = latest.lstrip,
                      .rstrip = latest.rstrip,
                      .normalized = token.normalized.value_or(!token.special),
                      .special = special_.contains(token.content)});
  };
  for (const auto& [content, token] : special_) append(token);
  for (const DeclaredToken& token : ordinary_) append(token);
  return result;
}

}  // namespace vcas::text
