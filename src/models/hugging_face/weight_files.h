#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "vcas/nn/model.h"

namespace vcas::models::hugging_face {

/// The tensors of a model folder's weights.
struct WeightFiles {
  std::filesystem::path file;  ///< that messages name: model.safetensors, or the index of its shards
  nn::NamedTensors tensors;
  std::map<std::string, std::string> shards;  ///< name of a tensor to its shard; empty for a single file

  /// "file: message", with the shards of the tensors that the message names.
  std::string located(const std::string& message) const;
};

/// Reads model.safetensors, else all tensors of the shards that model.safetensors.index.json lists, whatever
/// it says that they hold.
/// @throws formats::InputError naming file and tensor: a damaged file, a shard that is missing or outside the
/// folder; and, where there are weights of another format only, how they are converted.
WeightFiles read_weight_files(const std::filesystem::path& folder);

/// Whether a tensor is among them, by the files' headers; false where there are none.
/// @throws formats::InputError as read_weight_files.
bool weights_hold(const std::filesystem::path& folder, const std::string& tensor);

}  // namespace vcas::models::hugging_face
