#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "vcas/nn/model.h"

namespace vcas::training {

/// Everything that a run needs to go on, beside the model, which lies in the same folder as Hugging Face
/// loads it.
struct Checkpoint {
  nlohmann::json state;
  nn::NamedTensors optimizer;
  nn::NamedTensors tensors;
};

/// output_dir/checkpoint-N.
std::filesystem::path checkpoint_path(const std::filesystem::path& output_dir, int64_t step);

/// N of a folder that is called checkpoint-N, without leading zeros; nothing for another name.
std::optional<int64_t> checkpoint_step(const std::filesystem::path& path);
/// Whether a run of vcas wrote this folder, whole or damaged by now: it is no link, and has a manifest.
bool is_checkpoint(const std::filesystem::path& folder);
/// What keeps this process from reading or removing a folder's content; nothing when nothing does.
std::optional<std::string> why_not_replaceable(const std::filesystem::path& folder);

/// Writes output_dir/checkpoint-N whole or not at all (formats::AtomicDirectory), then removes the oldest
/// ones beyond `total_limit`, never the new one. @param write_model puts the model's files into the folder
/// that it is given.
/// An old one that cannot be removed is said, and stays.
/// @return its path. @throws std::system_error when the disk refuses; older checkpoints are then untouched.
std::filesystem::path save_checkpoint(const std::filesystem::path& output_dir, int64_t step,
                                      const Checkpoint& checkpoint,
                                      const std::function<void(const std::filesystem::path&)>& write_model,
                                      std::optional<int64_t> total_limit);

/// @throws formats::InputError naming what is wrong: no such folder, no checkpoint, a file that is damaged.
Checkpoint load_checkpoint(const std::filesystem::path& folder);

/// Removes the checkpoints of a folder that lie after a step, and says which: a run that goes on from that
/// step leaves the branch that they belong to. Removes what a killed run left half written, too.
/// @throws formats::InputError, with nothing removed, when something else is in a later checkpoint's place,
/// or lies in one.
void remove_checkpoints_after(const std::filesystem::path& output_dir, int64_t step);

/// The checkpoints of a folder with their steps, newest first, verified or not.
struct FoundCheckpoint {
  int64_t step = 0;
  std::filesystem::path path;
};
std::vector<FoundCheckpoint> list_checkpoints(const std::filesystem::path& output_dir);

/// The newest checkpoint whose manifest verifies. @throws formats::InputError when there is none, saying what
/// was wrong with each.
std::filesystem::path newest_checkpoint(const std::filesystem::path& output_dir);

}  // namespace vcas::training
