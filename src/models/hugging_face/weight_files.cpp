#include "models/hugging_face/weight_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "formats/path_type.h"
#include "formats/safetensors.h"
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

/// A shard's name as the index has it: a file of the folder or of one below.
std::string shard_name(const JsonObject& weight_map, const std::string& tensor) {
  const std::string name = weight_map.string(tensor);
  const fs::path path(name);
  const bool inside = path.has_filename() && path.is_relative() && path.filename() != "." &&
                      std::ranges::find(path, fs::path("..")) == path.end();
  if (!inside) weight_map.fail(tensor, "the name of a file in the same folder or one below");
  return name;
}

/// Of each tensor that the index lists its shard. Hugging Face reads no more of it than the set of the
/// shards, so that an entry may be out of date: their own tensors count.
std::map<std::string, std::string> read_weight_map(const fs::path& index) {
  const auto json = formats::read_json(index);
  const JsonObject root(json, index.string());
  const JsonObject weight_map = root.object("weight_map");
  if (weight_map.json().empty()) root.fail("weight_map", "at least one tensor");
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, value] : weight_map.json().items()) {
    const auto shard = shards.emplace(tensor, shard_name(weight_map, tensor)).first->second;
    if (!formats::exists(index.parent_path() / shard)) {
      throw InputError(index.string(),
                       fmt::format("tensor '{}': expected it in {}, which the folder lacks", tensor, shard));
    }
  }
  return shards;
}

WeightFiles read_shards(const fs::path& index) {
  const auto weight_map = read_weight_map(index);
  std::map<std::string, nn::NamedTensors> shards;
  for (const auto& [tensor, shard] : weight_map)
    if (!shards.contains(shard)) shards.emplace(shard, nn::read_tensors(index.parent_path() / shard));
  WeightFiles weights{index, {}, {}};
  const auto take = [&](const std::string& tensor, const std::string& shard, const at::Tensor& value) {
    if (weights.tensors.emplace(tensor, value).second) weights.shards.emplace(tensor, shard);
  };
  for (const auto& [tensor, shard] : weight_map) {
    const auto found = shards.at(shard).find(tensor);
    if (found != shards.at(shard).end()) take(tensor, shard, found->second);
  }
  for (const auto& [shard, tensors] : shards)
    for (const auto& [tensor, value] : tensors) take(tensor, shard, value);
  return weights;
}

/// One word of a shell's command line.
std::string shell_word(std::string_view text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

[[noreturn]] void fail_without_weights(const fs::path& folder) {
  for (const char* name : kPickledFiles) {
    if (!is_present(folder / name)) continue;
    throw InputError(
        (folder / name).string(),
        fmt::format("pickled weights are not read; expected {}. This writes it:\n  python -c "
                    "'import sys, transformers as t; f = sys.argv[1]; c = t.AutoConfig.from_pretrained(f); "
                    "getattr(t, (c.architectures or [\"BertModel\"])[0])"
                    ".from_pretrained(f).save_pretrained(f)' {}",
                    kSingleFile, shell_word(folder.string())));
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

bool weights_hold(const fs::path& folder, const std::string& tensor) {
  const auto holds = [&](const fs::path& file) {
    return formats::SafetensorsFile(file).tensors().contains(tensor);
  };
  if (is_present(folder / kSingleFile)) return holds(folder / kSingleFile);
  if (!is_present(folder / kIndexFile)) return false;
  std::set<std::string> shards;
  for (const auto& [name, shard] : read_weight_map(folder / kIndexFile)) shards.insert(shard);
  return std::ranges::any_of(shards, [&](const auto& shard) { return holds(folder / shard); });
}

}  // namespace vcas::models::hugging_face
