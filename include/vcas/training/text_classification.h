#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "vcas/control/benefit_gate.h"
#include "vcas/data/dataset.h"
#include "vcas/training/methods.h"
#include "vcas/training/options.h"
#include "vcas/training/probe.h"
#include "vcas/training/run.h"
#include "vcas/training/text_classification_task.h"

namespace vcas::training {

enum class SamplingStrategy { random, group_by_length };

/// Where texts come from and how they become tokens. Names and defaults are those of Hugging Face's
/// run_classification.
struct TextDataOptions {
  std::filesystem::path model_name_or_path;
  std::filesystem::path train_file;
  std::filesystem::path validation_file;
  std::string dataset;  ///< a built-in one instead of files: "wordnet-nouns"
  data::TextColumns columns;
  int64_t max_seq_length = 128;
  std::optional<int64_t> max_train_samples;
  std::optional<int64_t> max_eval_samples;
  SamplingStrategy train_sampling_strategy = SamplingStrategy::random;
};

/// A fine-tuning run as the user asks for it.
struct TextTrainingOptions {
  TextDataOptions data;
  TrainOptions train;
  MethodOptions method;
  std::optional<ProbeOptions> probe;  ///< also write probe.jsonl
  bool benefit_gate = true;           ///< what does not pay, by the cost table, runs exactly
  std::filesystem::path cost_table;   ///< empty: the one that comes with vcas
  std::filesystem::path output_dir;
  bool overwrite_output_dir = false;
  std::string resume_from_checkpoint;  ///< empty, "auto", or a checkpoint's folder
};

/// Fine-tunes a text classifier. All input is read and checked before anything is written.
/// @param stop_signal see RunOptions.
/// @throws formats::InputError naming file, line or key; the disk is then unchanged. As Run::execute
/// otherwise.
RunResult train_text_classifier(const TextTrainingOptions& options, const std::function<int()>& stop_signal);

/// What evaluating a classifier gives.
struct TextEvaluation {
  Evaluation scores;
  Predictions predictions;
  std::vector<std::string> label_names;
};

/// Evaluates a folder's classifier, which must have a head, on validation_file or the data set's held-out
/// part.
/// @throws formats::InputError naming file, line or key.
TextEvaluation evaluate_text_classifier(const TextDataOptions& options, int64_t batch_size);

/// A folder's model, as far as the costs of its blocks depend on it, measured on this machine
/// (calibration.h).
/// @throws formats::InputError naming file and key.
control::EncoderLayerCost calibrate(const std::filesystem::path& model_name_or_path, ops::Precision precision,
                                    double seconds);

/// @throws formats::InputError naming file and key.
control::CostTable read_cost_table(const std::filesystem::path& path);

/// The built-in data sets.
const std::vector<std::string>& builtin_text_datasets();

}  // namespace vcas::training
