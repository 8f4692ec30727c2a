#include "models/hugging_face/weight_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "vcas/formats/error.h"
#include "vcas/formats/json.h"
#include "vcas/nn/tensor_file.h"

namespace vcas::models::hugging_face {
namespace {

namespace fs = std::filesystem;
using formats::InputError;
using formats::JsonObject;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr const char* kPickledFiles[] = {"pytorch_model.bin", "pytorch_model.bin.index.json"};

bool is_present(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

/// A shard's name as the index has it: a file of the folder itself.
std::string shard_name(const JsonObject& weight_map, const std::string& tensor) {
  const std::string name = weight_map.string(tensor);
  const bool inside = !name.empty() && name != "." && name != ".." && fs::path(name).filename() == name;
  if (!inside) weight_map.fail(tensor, "the name of a file in the same folder");
  return name;
}

nn::NamedTensors read_shard(const fs::path& index, const std::string& tensor, const std::string& shard) {
  const fs::path path = index.parent_path() / shard;
  if (!fs::exists(path)) {
    throw InputError(index.string(),
                     fmt::format("tensor '{}': expected it in {}, which the folder lacks", tensor, shard));
  }
  return nn::read_tensors(path);
}

WeightFiles read_shards(const fs::path& index) {
  const auto json = formats::read_json(index);
  const JsonObject root(json, index.string());
  const JsonObject weight_map = root.object("weight_map");
  if (weight_map.json().empty()) root.fail("weight_map", "at least one tensor");
  WeightFiles weights{index, {}, {}};
  std::map<std::string, nn::NamedTensors> shards;
  for (const auto& [tensor, value] : weight_map.json().items()) {
    const std::string shard = shard_name(weight_map, tensor);
    if (!shards.contains(shard)) shards.emplace(shard, read_shard(index, tensor, shard));
    const auto found = shards.at(shard).find(tensor);
    if (found == shards.at(shard).end()) {
      throw InputError((index.parent_path() / shard).string(),
                       fmt::format("expected tensor '{}', which {} says is here", tensor, kIndexFile));
    }
    weights.tensors.insert_or_assign(tensor, found->second);
    weights.shards.insert_or_assign(tensor, shard);
  }
  for (const auto& [shard, tensors] : shards) {
    for (const auto& [name, value] : tensors)  // Hugging Face takes those that the index does not list too
      if (weights.tensors.emplace(name, value).second) weights.shards.emplace(name, shard);
  }
  return weights;
}

[[noreturn]] void fail_without_weights(const fs::path& folder) {
  for (const char* name : kPickledFiles) {
    if (!is_present(folder / name)) continue;
    throw InputError((folder / name).string(),
                     fmt::format("pickled weights are not read; expected {}. This writes it:\n  python -c "
                                 "\"import transformers as t; f = '{}'; c = t.AutoConfig.from_pretrained(f); "
                                 "getattr(t, (c.architectures or ['BertModel'])[0])"
                                 ".from_pretrained(f).save_pretrained(f)\"",
                                 kSingleFile, folder.string()));
  }
  throw InputError(
      (folder / kSingleFile).string(),
      fmt::format("expected the model's weights in this file, or in shards that {} lists; found neither",
                  kIndexFile));
}

}  // namespace

std::string WeightFiles::located(const std::string& message) const {
  std::set<std::string> named;
  for (const auto& [tensor, shard] : shards)
    if (message.find(tensor + ":") != std::string::npos) named.insert(shard);
  return named.empty() ? message : fmt::format("{} (in {})", message, fmt::join(named, ", "));
}

WeightFiles read_weight_files(const fs::path& folder) {
  if (is_present(folder / kSingleFile))
    return {folder / kSingleFile, nn::read_tensors(folder / kSingleFile), {}};
  if (is_present(folder / kIndexFile)) return read_shards(folder / kIndexFile);
  fail_without_weights(folder);
}

}  // namespace vcas::models::hugging_face
