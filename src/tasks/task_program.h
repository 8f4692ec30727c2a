#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tasks/flags.h"
#include "vcas/training/loop/evaluation.h"
#include "vcas/training/run/options.h"
#include "vcas/training/run/requests.h"
#include "vcas/training/run/result.h"

namespace vcas::tasks {

/// A task as commands see it: its flags, and what is done with them.
class TaskProgram {
 public:
  virtual ~TaskProgram() = default;
  /// As --task names it.
  virtual const std::string& name() const = 0;

  /// Flags of model and data. @param training false: of an evaluation.
  virtual void add_flags(FlagTable& flags, bool training) = 0;
  /// @throws formats::InputError naming the flag that is missing or contradicts another.
  virtual void require_flags(bool training) const = 0;
  /// Files and folders that the flags name and that are read: nothing may write over them.
  virtual std::vector<std::filesystem::path> inputs() const = 0;
  /// Whether the flags name held-out examples.
  virtual bool evaluates() const = 0;

  /// @throws formats::InputError naming file, line or key. As training::launch otherwise.
  virtual training::RunResult train(const training::RunOptions& options,
                                    const training::RunRequests& requests) = 0;
  /// @param model folder to evaluate; empty: that of the flags.
  /// @param predictions file to write, or empty. @throws formats::InputError naming file, line or key.
  /// training::EvaluationStopped when asked to stop.
  virtual training::Evaluation evaluate(const std::filesystem::path& model, int64_t batch_size,
                                        const std::filesystem::path& predictions,
                                        const training::StopRequested& stop_requested) = 0;
};

/// Tasks of this version, the default first.
const std::vector<std::string>& task_names();
/// @param name one of task_names().
std::unique_ptr<TaskProgram> make_task_program(const std::string& name);

/// @param flag that names a file to be written. @param inputs files and folders that are read.
/// @throws formats::InputError when it is a folder, when its folder does not exist or cannot be written to,
/// or when it is one of the inputs or a file right in one of them.
void require_writable_file(const std::string& flag, const std::filesystem::path& file,
                           const std::vector<std::filesystem::path>& inputs);

}  // namespace vcas::tasks
