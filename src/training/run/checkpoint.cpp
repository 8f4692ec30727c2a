#include "training/run/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

#include "formats/atomic_directory.h"
#include "formats/console.h"
#include "sampling/finite.h"
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
  for (size_t i = static_cast<size_t>(total_limit) - 1; i < found.size(); ++i)
    formats::remove_directory(found[i].path);
}

}  // namespace

std::optional<int64_t> checkpoint_step(const fs::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (error != std::errc() || rest != end || step < 0) return std::nullopt;
  return step;
}

bool is_checkpoint(const fs::path& folder) {
  return !fs::is_symlink(folder) && fs::is_regular_file(folder / formats::kManifestName);
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
