#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vcas/models/bert.h"
#include "vcas/models/text_classifier.h"
#include "vcas/text/tokenizer.h"

namespace vcas::models::hugging_face {

/// Contents of a Hugging Face folder of a text model, before its weights are read.
struct ModelDirectory {
  std::filesystem::path path;
  nlohmann::json config;  ///< config.json, whole: keys that are not used here are kept when it is written
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::map<std::string, std::string> tokenizer_files;  ///< name to content, to be written again
  /// Class names of id2label in the order of their ids; empty when there are none.
  std::vector<std::string> labels;

  BertConfig bert_config() const;
  /// Tokens of the longest text that the model takes.
  int64_t longest_text() const;
  /// Class names of a model that has its head; LABEL_0, LABEL_1, ... where config.json names none, as Hugging
  /// Face does. @throws formats::InputError when it has fewer than two, or a problem_type other than
  /// single_label_classification.
  std::vector<std::string> labels_or_default() const;
  /// Class names, or the default ones where config.json names none and the weights have a head; else empty.
  /// @throws formats::InputError naming a file of weights that is damaged.
  std::vector<std::string> head_labels() const;
};

/// Reads config.json and the tokenizer, which may have more tokens than the model: texts without them are
/// answered. @throws formats::InputError naming file and key: a folder that is no model, an architecture that
/// is not supported.
ModelDirectory read_model_directory(const std::filesystem::path& path);

/// A classifier with the folder's weights: of model.safetensors, or of the shards that
/// model.safetensors.index.json lists. Tensors that are drawn or not used, and another problem_type that is
/// replaced, are named on stderr, once.
/// @param labels       names of its classes.
/// @param seed         draws a missing head.
/// @param require_head a missing head is an error instead.
/// @param ignore_mismatched_sizes draws tensors that have another shape in the file, such as the head of
///        other classes.
/// @throws formats::InputError naming file and tensor.
std::unique_ptr<TextClassifier> load_text_classifier(const ModelDirectory& directory,
                                                     const std::vector<std::string>& labels, uint64_t seed,
                                                     bool require_head, bool ignore_mismatched_sizes = false);

/// Writes model.safetensors, config.json (the original's keys, with these labels) and the tokenizer's files
/// into an existing folder, each file whole or not at all. @throws std::system_error when the disk refuses.
void save_text_classifier(const ModelDirectory& directory, const TextClassifier& model,
                          const std::vector<std::string>& labels, const std::filesystem::path& folder);

/// Reads the weights of a saved classifier into a model of its shape.
/// @throws formats::InputError naming file and tensor.
void load_weights(TextClassifier& model, const std::filesystem::path& folder);

/// The config.json of a classifier with these classes: every other key of the original is kept.
nlohmann::json classifier_config(nlohmann::json config, const std::vector<std::string>& labels);

}  // namespace vcas::models::hugging_face
