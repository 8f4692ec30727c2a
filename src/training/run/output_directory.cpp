#include "training/run/output_directory.h"

#include <string>
#include <system_error>
#include <vector>

#include "vcas/formats/error.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

constexpr const char* kRunFiles[] = {
    "metrics.jsonl", "evaluations.jsonl", "summary.json", "model.safetensors",
    "config.json",   "cost_table.json",   "probe.jsonl",  "text_classification.json"};
constexpr const char* kRunPrefixes[] = {"checkpoint-", "events.out.tfevents."};

bool belongs_to_run(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const char* file : kRunFiles) {
    if (name == file) return true;
  }
  for (const char* prefix : kRunPrefixes) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

std::vector<fs::path> files_of_run(const fs::path& output_dir) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(output_dir)) {
    if (belongs_to_run(entry.path())) files.push_back(entry.path());
  }
  return files;
}

}  // namespace

void require_usable_output_directory(const fs::path& output_dir, const fs::path& model, bool may_hold_run) {
  if (!fs::exists(output_dir)) return;
  const std::string name = "output_dir " + output_dir.string();
  if (!fs::is_directory(output_dir)) throw InputError(name, "expected a folder, got a file");
  if (fs::exists(model) && fs::equivalent(output_dir, model)) {
    throw InputError(name, "expected another folder than model_name_or_path, got the same");
  }
  if (may_hold_run) return;
  const auto files = files_of_run(output_dir);
  if (!files.empty()) {
    throw InputError(name, "expected a folder without a run in it, got one with " +
                               files.front().filename().string() +
                               "; continue that run with --resume_from_checkpoint auto, replace it with "
                               "--overwrite_output_dir, or choose another folder");
  }
}

void prepare_output_directory(const fs::path& output_dir, bool remove_previous_run) {
  std::error_code error;
  fs::create_directories(output_dir, error);
  if (error) {
    throw InputError("output_dir " + output_dir.string(),
                     "expected a folder that can be made: " + error.message());
  }
  if (!remove_previous_run) return;
  for (const auto& file : files_of_run(output_dir)) fs::remove_all(file);
}

}  // namespace vcas::training
