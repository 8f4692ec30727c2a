#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "vcas/data/dataset.h"
#include "vcas/tasks/text_classification.h"

namespace vcas::tasks {

struct TextSplits {
  data::TextDataset train;
  std::optional<data::TextDataset> validation;
};

/// Where the classes of a training file take their ids from.
struct BaseLabels {
  std::filesystem::path folder;    ///< of the model, or of the checkpoint that a run goes on from
  std::vector<std::string> names;  ///< in the order of their ids; none where the folder has none
  bool resumes = false;            ///< other names are then wrong input; a warning where training begins
};

/// The data that the options name. Classes keep the ids of the base model where it has the same names.
/// @throws formats::InputError naming file, line or key.
TextSplits read_splits(const TextClassificationOptions& options, const BaseLabels& base);

/// Held-out texts of a model with these classes.
/// @throws formats::InputError naming file, line or key.
data::TextDataset read_held_out(const TextClassificationOptions& options,
                                const std::vector<std::string>& labels);

/// Writes into a model's folder how its texts became tokens: text_classification.json, which Hugging Face
/// ignores.
void write_text_settings(const TextClassificationOptions& options, const std::filesystem::path& folder);

/// Warns of every way in which texts become tokens otherwise than when the folder's model was trained, as its
/// text_classification.json has it. @throws formats::InputError naming file and key of one that is malformed.
void warn_of_other_settings(const TextClassificationOptions& options, const std::filesystem::path& folder);

}  // namespace vcas::tasks
