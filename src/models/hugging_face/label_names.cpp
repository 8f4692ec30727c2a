#include "models/hugging_face/label_names.h"

#include <nlohmann/json.hpp>

namespace vcas::models::hugging_face {

std::vector<std::string> label_names(const formats::JsonObject& config) {
  if (!config.has("id2label")) return {};
  const auto by_id = config.object("id2label");
  std::vector<std::string> names;
  for (size_t id = 0; id < by_id.json().size(); ++id) {
    const std::string key = std::to_string(id);
    const bool number = by_id.has(key) && by_id.value(key).is_number();
    names.push_back(number ? by_id.value(key).dump() : by_id.string(key));
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
