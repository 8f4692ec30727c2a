#include "tasks/text_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "formats/atomic_directory.h"
#include "formats/message.h"
#include "formats/path_type.h"
#include "formats/warning.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"

namespace vcas::tasks {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

constexpr const char* kSettingsFile = "text_classification.json";

TextSplits read_files(const TextClassificationOptions& options) {
  TextSplits splits;
  const auto floats = options.problem_type.empty() ? data::FloatLabels::refused : data::FloatLabels::classes;
  splits.train = options.label_names.empty()
                     ? data::read_training_file(options.train_file, options.columns, floats)
                     : data::read_evaluation_file(options.train_file, options.columns, options.label_names);
  return splits;
}

/// The names that Hugging Face gives classes without names.
std::vector<std::string> default_names(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t id = 0; id < count; ++id) names.push_back(fmt::format("LABEL_{}", id));
  return names;
}

/// "'a', 'b'", and of many names the first.
std::string listed(const std::vector<std::string>& names) { return formats::in_quotes_each(names); }

/// Numbers the classes as the base model does, or says that its head does not know them.
void adopt_base(data::TextDataset& train, const BaseLabels& base) {
  if (base.names.empty() || train.take_label_order(base.names)) return;
  const auto& names = train.label_names;
  if (base.resumes) {
    throw InputError(base.folder.string(),
                     fmt::format("expected the classes of the run that is resumed ({}), got {}",
                                 listed(base.names), listed(names)));
  }
  std::vector<std::string> numbers;
  for (std::size_t id = 0; id < names.size(); ++id) numbers.push_back(std::to_string(id));
  // LABEL_0, LABEL_1, ... name the ids, which such classes keep.
  if (base.names == default_names(names.size()) && names == numbers) return;
  formats::warn(
      fmt::format("{}: the model's labels ({}) are not those of the training data ({}): a head that it "
                  "brings was trained for "
                  "other classes, and its names are replaced",
                  base.folder.string(), listed(base.names), listed(names)));
}

}  // namespace

TextSplits read_splits(const TextClassificationOptions& options, const BaseLabels& base) {
  TextSplits splits;
  if (!options.dataset.empty()) {
    auto wordnet = data::read_wordnet_nouns();
    splits = {std::move(wordnet.train), std::move(wordnet.validation)};
  } else {
    splits = read_files(options);
  }
  adopt_base(splits.train, base);
  const auto& names = splits.train.label_names;
  if (splits.validation) {
    splits.validation->take_label_order(names);
  } else if (!options.validation_file.empty()) {
    splits.validation = data::read_evaluation_file(options.validation_file, options.columns, names);
  }
  if (options.max_train_samples) splits.train.keep_first(*options.max_train_samples);
  if (options.max_eval_samples && splits.validation) splits.validation->keep_first(*options.max_eval_samples);
  return splits;
}

data::TextDataset read_held_out(const TextClassificationOptions& options,
                                const std::vector<std::string>& labels) {
  if (options.dataset.empty()) {
    return data::read_evaluation_file(options.validation_file, options.columns, labels);
  }
  auto held_out = data::read_wordnet_nouns().validation;
  if (!held_out.take_label_order(labels)) {
    throw InputError(fmt::format("{}: expected the classes of {} ({}), got {}",
                                 options.model_name_or_path.string(), options.dataset,
                                 fmt::join(held_out.label_names, ", "), fmt::join(labels, ", ")));
  }
  return held_out;
}

void write_text_settings(const TextClassificationOptions& options, const fs::path& folder) {
  const bool pairs = options.columns.text_pair.has_value();
  const nlohmann::ordered_json settings = {{"max_seq_length", options.max_seq_length}, {"text_pairs", pairs}};
  formats::write_file_atomically(folder / kSettingsFile, settings.dump(2) + "\n");
}

void warn_of_other_settings(const TextClassificationOptions& options, const fs::path& folder) {
  const auto file = folder / kSettingsFile;
  if (!formats::exists(file)) return;
  const auto content = formats::read_json(file);
  const formats::JsonObject settings(content, file.string());
  const auto length = settings.integer("max_seq_length", 1);
  if (length != options.max_seq_length) {
    formats::warn(fmt::format("--max_seq_length {}: the model was trained with {} ({})",
                              options.max_seq_length, length, file.string()));
  }
  const bool pairs = settings.boolean("text_pairs");
  if (pairs && !options.columns.text_pair) {
    formats::warn(
        fmt::format("no --text_pair_column: the model was trained on pairs of texts ({})", file.string()));
  } else if (!pairs && options.columns.text_pair) {
    formats::warn(fmt::format("--text_pair_column {}: the model was trained on single texts ({})",
                              *options.columns.text_pair, file.string()));
  }
}

}  // namespace vcas::tasks
