#include "training/run/checkpoint.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <system_error>

#include "formats/atomic_directory.h"
#include "formats/console.h"
#include "formats/leftovers.h"
#include "formats/warning.h"
#include "sampling/finite.h"
#include "training/run/run_names.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"
#include "vcas/nn/tensor_file.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "checkpoint-";
constexpr const char* kStateFile = "training_state.json";
constexpr const char* kOptimizerFile = "optimizer.safetensors";
constexpr const char* kTensorsFile = "training_state.safetensors";

/// @throws formats::InputError also where a value is not finite.
nn::NamedTensors read_finite_tensors(const fs::path& file) {
  auto tensors = nn::read_tensors(file);
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.is_floating_point() || sampling::all_finite(tensor).item<bool>()) continue;
    throw formats::InputError(file.string(),
                              fmt::format("tensor '{}': expected finite values, got NaN or Inf", name));
  }
  return tensors;
}

/// @param newest stays in any case.
void prune(const fs::path& output_dir, int64_t total_limit, const fs::path& newest) {
  auto found = list_checkpoints(output_dir);
  std::erase_if(found, [&](const auto& checkpoint) { return checkpoint.path == newest; });
  for (size_t i = static_cast<size_t>(total_limit) - 1; i < found.size(); ++i) {
    try {
      formats::remove_directory(found[i].path);
    } catch (const std::system_error& error) {  // the new one is saved all the same
      formats::warn(fmt::format("cannot remove the old {}: {}; training goes on", found[i].path.string(),
                                error.code().message()));
    }
  }
}

[[noreturn]] void refuse_in_the_way(const fs::path& output_dir, const std::string& name,
                                    const std::string& why) {
  throw formats::InputError(
      "output_dir " + output_dir.string(),
      fmt::format("expected nothing in the way of later checkpoints, got {}: {}; move it, "
                  "or choose another folder",
                  name, why));
}

/// Before anything is removed: what a run that goes on from a step could neither remove nor write over.
void require_later_checkpoints_go(const fs::path& output_dir, int64_t step) {
  for (const auto& entry : fs::directory_iterator(output_dir)) {
    const auto& path = entry.path();
    const auto later = checkpoint_step(path);
    if (!later || *later <= step) continue;
    const auto name = path.filename().string();
    if (const auto problem = why_not_replaceable(path)) refuse_in_the_way(output_dir, name, *problem);
    if (formats::is_empty_folder(path)) continue;
    constexpr const char* kForeign = "no run wrote it";
    if (!is_checkpoint(path)) refuse_in_the_way(output_dir, name, kForeign);
    if (const auto file = formats::file_beside_manifest(path))
      refuse_in_the_way(output_dir, (path.filename() / *file).string(), kForeign);
  }
}

}  // namespace

std::optional<int64_t> checkpoint_step(const fs::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (error != std::errc() || rest != end || step < 0) return std::nullopt;
  if (std::to_string(step) != name.substr(kPrefix.size())) return std::nullopt;  // "checkpoint-007" is a copy
  return step;
}

bool is_checkpoint(const fs::path& folder) {
  std::error_code unreadable;
  return !fs::is_symlink(fs::symlink_status(folder, unreadable)) &&
         fs::is_regular_file(folder / formats::kManifestName, unreadable);
}

std::optional<std::string> why_not_replaceable(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(folder, error))) return std::nullopt;
  if (::faccessat(AT_FDCWD, folder.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0) return std::nullopt;
  return std::strerror(errno);
}

fs::path checkpoint_path(const fs::path& output_dir, int64_t step) {
  return output_dir / (std::string(kPrefix) + std::to_string(step));
}

fs::path save_checkpoint(const fs::path& output_dir, int64_t step, const Checkpoint& checkpoint,
                         const std::function<void(const fs::path&)>& write_model,
                         std::optional<int64_t> total_limit) {
  fs::path target = checkpoint_path(output_dir, step);
  formats::AtomicDirectory folder(target);
  write_model(folder.path());
  nn::write_tensors(folder.path() / kOptimizerFile, checkpoint.optimizer);
  nn::write_tensors(folder.path() / kTensorsFile, checkpoint.tensors);
  formats::write_file_atomically(folder.path() / kStateFile, checkpoint.state.dump(2) + "\n");
  folder.commit();
  if (total_limit) prune(output_dir, *total_limit, target);
  return target;
}

Checkpoint load_checkpoint(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw formats::InputError(folder.string(), "expected the folder of a checkpoint, got none");
  }
  if (formats::leftover_at(fs::canonical(folder))) {
    throw formats::InputError(folder.string(),
                              "expected the folder of a checkpoint, got what a killed run left half written");
  }
  if (const auto problem = formats::verify_directory(folder)) {
    throw formats::InputError(folder.string(), "expected a whole checkpoint: " + *problem);
  }
  return {formats::read_json(folder / kStateFile), read_finite_tensors(folder / kOptimizerFile),
          read_finite_tensors(folder / kTensorsFile)};
}

std::vector<FoundCheckpoint> list_checkpoints(const fs::path& output_dir) {
  std::vector<FoundCheckpoint> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(output_dir, error)) {
    const auto step = checkpoint_step(entry.path());
    if (step && is_checkpoint(entry.path())) found.push_back({*step, entry.path()});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.step > b.step; });
  return found;
}

void remove_checkpoints_after(const fs::path& output_dir, int64_t step) {
  require_later_checkpoints_go(output_dir, step);
  formats::sweep_leftovers(output_dir, is_name_of_run);
  for (const auto& [later, path] : list_checkpoints(output_dir)) {
    if (later <= step) continue;
    formats::say(
        fmt::format("removing {}: the run goes on from step {} and takes another way", path.string(), step));
    formats::remove_directory(path);
  }
}

fs::path newest_checkpoint(const fs::path& output_dir) {
  std::string problems;
  for (const auto& [step, path] : list_checkpoints(output_dir)) {
    const auto problem = formats::verify_directory(path);
    if (!problem) return path;
    problems += fmt::format("; {}: {}", path.filename().string(), *problem);
  }
  throw formats::InputError(output_dir.string(),
                            "resume_from_checkpoint auto: expected a whole checkpoint, got none" + problems);
}

}  // namespace vcas::training
