#include "models/hugging_face/label_names.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

namespace vcas::models::hugging_face {
namespace {

/// A key of id2label, by Python's int().
int64_t label_id(const formats::JsonObject& by_id, const std::string& key) {
  const char* begin = key.data() + (key.starts_with('+') ? 1 : 0);
  int64_t id = 0;
  const auto [end, error] = std::from_chars(begin, key.data() + key.size(), id);
  const bool signs = key.starts_with("+-");
  if (error != std::errc{} || end != key.data() + key.size() || signs) by_id.fail(key, "an id as key");
  return id;
}

/// A value of id2label, by Python's str().
std::string label_name(const formats::JsonObject& by_id, const std::string& key) {
  if (!by_id.has(key)) by_id.fail(key, "a string");
  const auto& value = by_id.value(key);
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  if (value.is_number() && std::isfinite(value.get<double>())) return value.dump();
  return by_id.string(key);
}

}  // namespace

std::string default_label_name(int64_t id) { return fmt::format("LABEL_{}", id); }

std::vector<std::string> label_names(const formats::JsonObject& config) {
  if (!config.has("id2label")) return {};
  const auto by_id = config.object("id2label");
  std::vector<std::string> names;
  for (size_t id = 0; id < by_id.json().size(); ++id)
    names.push_back(default_label_name(static_cast<int64_t>(id)));
  std::set<int64_t> seen;
  for (const auto& [key, value] : by_id.json().items()) {
    const auto id = label_id(by_id, key);
    auto name = label_name(by_id, key);
    if (!seen.insert(id).second) by_id.fail(key, "an id that no other key has");
    if (0 <= id && id < static_cast<int64_t>(names.size())) names[static_cast<size_t>(id)] = std::move(name);
  }
  return names;
}

int64_t label_count(const formats::JsonObject& config) {
  constexpr int64_t kDefault = 2, kLargest = 1'000'000'000;
  const auto names = label_names(config);
  return names.empty() ? config.integer_or("num_labels", kDefault, 1, kLargest)
                       : static_cast<int64_t>(names.size());
}

}  // namespace vcas::models::hugging_face
