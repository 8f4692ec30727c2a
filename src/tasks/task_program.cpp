#include "tasks/task_program.h"

#include <fmt/format.h>
#include <unistd.h>

#include "tasks/text_classification_program.h"
#include "vcas/formats/error.h"

namespace vcas::tasks {

namespace fs = std::filesystem;

const std::vector<std::string>& task_names() {
  static const std::vector<std::string> names = {"text-classification"};
  return names;
}

std::unique_ptr<TaskProgram> make_task_program(const std::string& name) {
  if (name == task_names().front()) return std::make_unique<TextClassificationProgram>();
  throw formats::InputError("--task",
                            fmt::format("expected one of the tasks of this version, got '{}'", name));
}

void require_writable_file(const std::string& flag, const fs::path& file,
                           const std::vector<fs::path>& inputs) {
  const auto refuse = [&](const std::string& expected) {
    throw formats::InputError(flag, fmt::format("expected {}, got '{}'", expected, file.string()));
  };
  const auto folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (!fs::is_directory(folder)) refuse("a file in an existing folder");
  if (fs::is_directory(file)) refuse("a file, not a folder");
  if (::access(folder.c_str(), W_OK | X_OK) != 0) refuse("a file in a folder that can be written to");
  if (!fs::exists(file)) return;
  for (const auto& input : inputs) {
    if (!fs::exists(input)) continue;
    const bool in_folder = fs::is_directory(input) && fs::equivalent(input, folder);
    if (in_folder || fs::equivalent(input, file)) refuse("another file than those that are read");
  }
}

}  // namespace vcas::tasks
