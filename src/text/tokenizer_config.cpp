#include "text/tokenizer_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "formats/path_type.h"
#include "vcas/formats/error.h"

namespace vcas::text {
namespace {

using formats::JsonObject;
using nlohmann::json;

constexpr int64_t kLargestId = std::numeric_limits<int32_t>::max() - 1;
constexpr std::array kRoles = {"bos_token", "eos_token", "unk_token", "sep_token",
                               "pad_token", "cls_token", "mask_token"};
constexpr const char* kExtra = "extra_special_tokens";
constexpr const char* kAdditional = "additional_special_tokens";  // its name before transformers 5

json read_or_empty(const std::filesystem::path& path, bool wanted = true) {
  if (!wanted || !formats::exists(path)) return json::object();
  return formats::read_json(path);
}

bool is_role(std::string_view key) { return std::ranges::find(kRoles, key) != kRoles.end(); }

DeclaredToken special_token(std::string content) { return {.content = std::move(content), .special = true}; }

DeclaredToken read_declared_token(const JsonObject& token) {
  DeclaredToken result{.content = token.string_or("content", "")};
  for (auto [key, place] : {std::pair{"single_word", &result.single_word},
                            {"lstrip", &result.lstrip},
                            {"rstrip", &result.rstrip},
                            {"special", &result.special}}) {
    if (token.json().contains(key)) *place = token.boolean(key);
  }
  if (token.json().contains("normalized")) result.normalized = token.boolean("normalized");
  return result;
}

bool is_added_token(const json& value) {
  return value.is_object() && value.contains("__type") && value["__type"] == "AddedToken";
}

/// A special token's value: text, or an object that says how it is looked for.
/// @param in_map the file is special_tokens_map.json, whose objects are added tokens and special all.
DeclaredToken read_special_token(const JsonObject& object, const std::string& key, bool in_map) {
  const json& value = object.value(key);
  if (value.is_string()) return special_token(value.get<std::string>());
  if (!is_added_token(value) && !(in_map && value.is_object()))
    object.fail(key, "a token: a string, or an object with \"__type\": \"AddedToken\"");
  auto token = read_declared_token(object.object(key));
  token.special = token.special || in_map;
  return token;
}

/// The tokens of a list. @param in_map its objects are added tokens, special all.
std::vector<DeclaredToken> read_token_list(const JsonObject& object, const std::string& key, bool in_map) {
  const json& list = object.value(key);
  if (!list.is_array()) object.fail(key, "a list of tokens");
  std::vector<DeclaredToken> tokens;
  for (const json& element : list) {
    const json wrapped = {{key, element}};
    tokens.push_back(read_special_token(JsonObject(wrapped, object.source()), key, in_map));
  }
  return tokens;
}

int64_t parse_id(const JsonObject& object, const std::string& text) {
  int64_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id < 0 || id > kLargestId)
    object.fail(text, "an id as key");
  return id;
}

/// tokenizer.json's added_tokens, with their ids, in the order of the file.
std::vector<std::pair<int64_t, DeclaredToken>> read_added_tokens(const JsonObject& root) {
  const json& list = root.value("added_tokens");
  if (!list.is_array()) root.fail("added_tokens", "an array");
  std::vector<std::pair<int64_t, DeclaredToken>> tokens;
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonObject token(list[i], root.source() + ": added_tokens[" + std::to_string(i) + "]");
    tokens.emplace_back(token.integer("id", 0, kLargestId), read_declared_token(token));
  }
  return tokens;
}

bool is_truthy(const json& value) {
  return !(value.is_null() || value == false || value == 0 ||
           ((value.is_array() || value.is_object()) && value.empty()) || value == "");
}

}  // namespace

TokenizerConfig::TokenizerConfig(const std::filesystem::path& folder)
    : json_(read_or_empty(folder / "tokenizer_config.json")),
      map_json_(read_or_empty(folder / "special_tokens_map.json", !has_decoder())),
      added_json_(read_or_empty(folder / "added_tokens.json", !has_decoder())),
      config_(json_, (folder / "tokenizer_config.json").string()),
      map_(map_json_, (folder / "special_tokens_map.json").string()),
      added_(added_json_, (folder / "added_tokens.json").string()) {}

bool TokenizerConfig::boolean(std::string_view key, bool otherwise) const {
  return json_.contains(key) ? config_.boolean(key) : otherwise;
}

std::optional<bool> TokenizerConfig::strip_accents() const {
  return config_.has("strip_accents") ? std::optional(config_.boolean("strip_accents")) : std::nullopt;
}

std::optional<std::string> TokenizerConfig::side(std::string_view key) const {
  if (!json_.contains(key)) return std::nullopt;
  if (!config_.has(key) || (config_.json()[key] != "left" && config_.json()[key] != "right"))
    config_.fail(key, "'left' or 'right'");
  return config_.string(key);
}

bool TokenizerConfig::gives_token_types(bool otherwise) const {
  constexpr const char* kKey = "model_input_names";
  if (!json_.contains(kKey)) return otherwise;
  const json& names = json_[kKey];
  if (!names.is_array()) config_.fail(kKey, "a list of names");
  return std::ranges::find(names, "token_type_ids") != names.end();
}

const JsonObject& TokenizerConfig::owner(std::string_view key) const {
  return map_json_.contains(key) ? map_ : config_;
}

void TokenizerConfig::fail_without_role(std::string_view role) const { owner(role).fail(role, "a token"); }

std::vector<RoleToken> TokenizerConfig::standard_roles(
    const std::map<std::string, std::string>& defaults) const {
  std::vector<RoleToken> roles;
  for (const std::string role : kRoles) {
    const JsonObject& file = owner(role);
    if (file.has(role)) {
      roles.push_back({role, read_special_token(file, role, &file == &map_)});
    } else if (const auto token = defaults.find(role);
               token != defaults.end() && !file.json().contains(role)) {
      roles.push_back({role, special_token(token->second)});
    }
  }
  return roles;
}

std::vector<RoleToken> TokenizerConfig::other_roles() const {
  std::map<std::string, DeclaredToken> roles;
  for (const JsonObject* file : {&map_, &config_}) {  // the later one wins
    for (const auto& [key, value] : file->json().items()) {
      const bool token = value.is_string() || is_added_token(value) || (file == &map_ && value.is_object());
      if (key.ends_with("_token") && !is_role(key) && token)
        roles.insert_or_assign(key, read_special_token(*file, key, file == &map_));
    }
    for (const char* key : {kAdditional, kExtra}) {
      if (!file->has(key) || !file->value(key).is_object()) continue;
      if (file == &map_ && key == kAdditional) file->fail(key, "a list of tokens");
      const JsonObject named = file->object(key);
      for (const auto& [role, value] : named.json().items())
        roles.insert_or_assign(role, read_special_token(named, role, /*in_map=*/false));
    }
  }
  std::vector<RoleToken> result;
  for (auto& [role, token] : roles) result.push_back({role, std::move(token)});
  return result;
}

TokenizerConfig::Extra TokenizerConfig::extra() const {
  const bool named = json_.contains(kExtra) && is_truthy(json_[kExtra]);
  const std::string key = json_.contains(kAdditional) && !named ? kAdditional : kExtra;
  Extra result;
  if (config_.has(key) && !config_.value(key).is_object())
    result.tokens = read_token_list(config_, key, /*in_map=*/false);
  result.is_set = json_.contains(key) && !json_[key].is_object();
  if (map_.has(kExtra) && !map_.value(kExtra).is_object()) {
    for (auto& token : read_token_list(map_, kExtra, /*in_map=*/true)) {
      if (std::ranges::find(result.tokens, token) == result.tokens.end())
        result.tokens.push_back(std::move(token));
    }
    result.is_set = true;
  }
  return result;
}

std::set<std::string> TokenizerConfig::special_contents(const Extra& extra) const {
  std::set<std::string> contents;
  for (const auto& role : standard_roles({})) contents.insert(role.token.content);
  for (const auto& token : extra.tokens) contents.insert(token.content);
  return contents;
}

std::vector<DeclaredToken> TokenizerConfig::declared(const std::optional<JsonObject>& tokenizer_json,
                                                     const std::set<std::string>& special) const {
  std::map<int64_t, DeclaredToken> tokens;  // in the order in which they are added
  if (has_decoder()) {
    const JsonObject decoder = config_.object("added_tokens_decoder");
    for (const auto& [id, value] : decoder.json().items())
      tokens.insert_or_assign(parse_id(decoder, id), read_declared_token(decoder.object(id)));
  } else {
    for (const auto& [content, value] : added_.json().items()) {
      const bool is_special = special.contains(content);
      tokens.insert_or_assign(
          added_.integer(content, 0, kLargestId),
          DeclaredToken{.content = content, .special = is_special, .normalized = !is_special});
    }
    if (tokenizer_json) {
      for (auto& [id, token] : read_added_tokens(*tokenizer_json))
        tokens.insert_or_assign(id, std::move(token));
    }
  }
  std::vector<DeclaredToken> result;
  for (auto& [id, token] : tokens) result.push_back(std::move(token));
  return result;
}

AddedTokenFiles TokenizerConfig::added_tokens(const std::optional<JsonObject>& tokenizer_json,
                                              const std::map<std::string, std::string>& defaults) const {
  AddedTokenFiles files;
  auto list = extra();
  files.declared = declared(tokenizer_json, special_contents(list));
  files.roles = standard_roles(defaults);
  for (auto& role : other_roles()) files.roles.push_back(std::move(role));
  if (!list.is_set && map_.has(kAdditional))
    list.tokens = read_token_list(map_, kAdditional, /*in_map=*/false);
  files.extra = std::move(list.tokens);
  return files;
}

std::vector<DeclaredToken> tokenizer_json_tokens(const JsonObject& root) {
  std::vector<DeclaredToken> tokens;
  for (auto& [id, token] : read_added_tokens(root)) tokens.push_back(std::move(token));
  return tokens;
}

}  // namespace vcas::text
