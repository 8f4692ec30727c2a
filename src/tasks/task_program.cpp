#include "tasks/task_program.h"

#include <fmt/format.h>

#include "tasks/text_classification_program.h"
#include "vcas/formats/error.h"

namespace vcas::tasks {

const std::vector<std::string>& task_names() {
  static const std::vector<std::string> names = {"text-classification"};
  return names;
}

std::unique_ptr<TaskProgram> make_task_program(const std::string& name) {
  if (name == task_names().front()) return std::make_unique<TextClassificationProgram>();
  throw formats::InputError("--task",
                            fmt::format("expected one of the tasks of this version, got '{}'", name));
}

void require_existing_folder(const std::string& flag, const std::filesystem::path& file) {
  const auto folder = file.parent_path();
  if (folder.empty() || std::filesystem::is_directory(folder)) return;
  throw formats::InputError(flag,
                            fmt::format("expected a file in an existing folder, got '{}'", file.string()));
}

}  // namespace vcas::tasks
