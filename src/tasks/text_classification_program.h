#pragma once

#include "tasks/task_program.h"
#include "vcas/tasks/text_classification.h"

namespace vcas::tasks {

/// Text classification as commands see it.
class TextClassificationProgram final : public TaskProgram {
 public:
  const std::string& name() const override;
  void add_flags(FlagTable& flags, bool training) override;
  void require_flags(bool training) const override;
  std::vector<std::filesystem::path> inputs() const override;
  bool evaluates() const override { return !options_.dataset.empty() || !options_.validation_file.empty(); }
  training::RunResult train(const training::RunOptions& options,
                            const training::RunRequests& requests) override;
  training::Evaluation evaluate(const std::filesystem::path& model, int64_t batch_size,
                                const std::filesystem::path& predictions,
                                const training::StopRequested& stop_requested) override;

 private:
  TextClassificationOptions options_;
};

/// Writes id, label and probabilities of every text: .csv, .tsv, .jsonl or .json (a line a text too).
/// @throws formats::InputError for another suffix; std::system_error when the disk refuses.
void write_predictions(const TextEvaluation& evaluation, const std::filesystem::path& path);

}  // namespace vcas::tasks
