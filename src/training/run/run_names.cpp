#include "training/run/run_names.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <system_error>

#include "formats/tensorboard.h"
#include "text/tokenizer_files.h"
#include "training/run/checkpoint.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 8> kRunFiles = {
    kFirstFile,    "evaluations.jsonl", "summary.json", "model.safetensors",
    "config.json", "cost_table.json",   "probe.jsonl",  "text_classification.json"};

}  // namespace

bool is_file_of_run(const fs::path& name) {
  const auto text = name.filename().string();
  return std::ranges::find(kRunFiles, text) != kRunFiles.end() ||
         std::ranges::find(text::kTokenizerFiles, text) != text::kTokenizerFiles.end() ||
         (text.starts_with("events.out.tfevents.") && text.ends_with(formats::kEventsSuffix));
}

bool is_name_of_run(const fs::path& name) { return is_file_of_run(name) || checkpoint_step(name); }

std::vector<fs::path> files_of_run(const fs::path& output_dir) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(output_dir)) {
    const auto& path = entry.path();
    const bool checkpoint = checkpoint_step(path) && is_checkpoint(path);
    const bool file = is_file_of_run(path) && (entry.is_symlink(error) || !entry.is_directory(error));
    if (checkpoint || file) files.push_back(path);
  }
  std::ranges::sort(files);
  std::ranges::stable_partition(files, [](const auto& file) { return file.filename() != kFirstFile; });
  return files;
}

}  // namespace vcas::training
