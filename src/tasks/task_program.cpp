#include "tasks/task_program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <system_error>

#include "formats/path_type.h"
#include "formats/paths_read.h"
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
  if (formats::path_type(folder) != fs::file_type::directory) refuse("a file in an existing folder");
  const auto type = formats::path_type(file);
  if (type == fs::file_type::directory) refuse("a file, not a folder");
  if (::access(folder.c_str(), W_OK | X_OK) != 0) refuse("a file in a folder that can be written to");
  if (type == fs::file_type::not_found) return;
  std::error_code error;
  for (const auto& input : inputs) {
    if (fs::is_directory(input, error) && fs::equivalent(input, folder, error))
      refuse("another file than those that are read");
    for (const auto& path : formats::paths_read(input))
      if (fs::equivalent(path, file, error)) refuse("another file than those that are read");
  }
}

}  // namespace vcas::tasks
