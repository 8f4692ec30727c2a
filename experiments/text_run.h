#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>

#include "vcas/tasks/text_classification.h"
#include "vcas/training/loop/options.h"

namespace vcas::experiments {

/// A fine-tuning run that an experiment looks into.
struct TextRunOptions {
  TextRunOptions();  ///< one epoch, batch 32, a tenth of it warm-up

  tasks::TextClassificationOptions data;
  int threads = 2;
  training::TrainOptions train;
};
void add_flags(CLI::App& app, TextRunOptions& options);

/// Model and texts of a run. Sets the number of threads.
/// @throws formats::InputError for files that do not fit.
std::unique_ptr<tasks::TextClassification> load(const TextRunOptions& options);

/// main() of an experiment: parses the flags and runs it. @return the exit status.
int run_experiment(CLI::App& app, int count, char** values, const std::function<void()>& run);

}  // namespace vcas::experiments
