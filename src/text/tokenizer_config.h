#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_vocabulary.h"
#include "vcas/formats/json.h"

namespace vcas::text {

/// A special token that has a role: cls_token, ...
struct RoleToken {
  std::string role;
  DeclaredToken token;
};

/// Tokens that the files of a folder add, in the order in which Hugging Face adds them.
struct AddedTokenFiles {
  std::vector<DeclaredToken> declared;  ///< by added_tokens_decoder, added_tokens.json, tokenizer.json
  std::vector<RoleToken> roles;         ///< bos, eos, unk, sep, pad, cls, mask, then roles of the model's own
  std::vector<DeclaredToken> extra;     ///< additional_special_tokens
};

/// tokenizer_config.json and the older files that it replaces (special_tokens_map.json, added_tokens.json),
/// all of which may be missing. Getters name file and key when they throw formats::InputError.
class TokenizerConfig {
 public:
  explicit TokenizerConfig(const std::filesystem::path& folder);
  TokenizerConfig(const TokenizerConfig&) = delete;
  TokenizerConfig& operator=(const TokenizerConfig&) = delete;

  /// A value that must be true or false where it stands.
  bool boolean(std::string_view key, bool otherwise) const;
  std::optional<bool> strip_accents() const;
  /// "left" or "right" where it stands.
  std::optional<std::string> side(std::string_view key) const;
  /// Whether model_input_names has token_type_ids. @param otherwise where it does not stand.
  bool gives_token_types(bool otherwise) const;

  /// @param tokenizer_json whose added_tokens count where the configuration has no added_tokens_decoder.
  /// @param defaults       tokens of the roles that no file names.
  AddedTokenFiles added_tokens(const std::optional<formats::JsonObject>& tokenizer_json,
                               const std::map<std::string, std::string>& defaults) const;
  /// @throws formats::InputError naming the file that sets the role to null.
  [[noreturn]] void fail_without_role(std::string_view role) const;

 private:
  /// Tokens of a list or of roles, and whether the files set it at all.
  struct Extra {
    std::vector<DeclaredToken> tokens;
    bool is_set = false;
  };

  bool has_decoder() const { return json_.contains("added_tokens_decoder"); }
  const formats::JsonObject& owner(std::string_view key) const;
  std::vector<RoleToken> standard_roles(const std::map<std::string, std::string>& defaults) const;
  std::vector<RoleToken> other_roles() const;
  Extra extra() const;
  std::set<std::string> special_contents(const Extra& extra) const;
  std::vector<DeclaredToken> declared(const std::optional<formats::JsonObject>& tokenizer_json,
                                      const std::set<std::string>& special) const;

  nlohmann::json json_, map_json_, added_json_;
  formats::JsonObject config_;  ///< of json_
  formats::JsonObject map_;     ///< special_tokens_map.json; empty where added_tokens_decoder replaces it
  formats::JsonObject added_;   ///< added_tokens.json, likewise
};

/// The added_tokens of tokenizer.json, which must be there, in the order of the file.
std::vector<DeclaredToken> tokenizer_json_tokens(const formats::JsonObject& root);

}  // namespace vcas::text
