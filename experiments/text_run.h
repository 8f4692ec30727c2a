#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "vcas/data/dataset.h"
#include "vcas/models/text_classifier.h"
#include "vcas/training/options.h"
#include "vcas/training/text_classification_task.h"
#include "vcas/training/text_model_directory.h"

namespace vcas::experiments {

/// A fine-tuning run that an experiment looks into.
struct TextRunOptions {
  TextRunOptions();  ///< one epoch, batch 32, a tenth of it warm-up

  std::filesystem::path model_name_or_path, train_file;
  std::filesystem::path validation_file;  ///< empty: nothing is held out
  int threads = 2;
  training::TrainOptions train;
};
void add_flags(CLI::App& app, TextRunOptions& options);

/// Model and texts of a run.
class TextRun {
 public:
  /// Sets the number of threads. @throws formats::InputError for files that do not fit.
  explicit TextRun(const TextRunOptions& options);

  training::Task& task() { return *task_; }
  /// On the held-out texts.
  training::Predictions predict();

 private:
  data::TokenizedTexts tokenized(const data::TextDataset& texts) const;

  TextRunOptions options_;
  training::TextModelDirectory directory_;
  data::TextDataset train_;
  std::unique_ptr<models::TextClassifier> model_;
  std::unique_ptr<training::TextClassificationTask> task_;
};

/// main() of an experiment: parses the flags and runs it. @return the exit status.
int run_experiment(CLI::App& app, int count, char** values, const std::function<void()>& run);

}  // namespace vcas::experiments
