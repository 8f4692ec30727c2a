#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "vcas/models/bert.h"
#include "vcas/models/text_classifier.h"
#include "vcas/text/wordpiece.h"

namespace vcas::training {

/// What a Hugging Face folder of a text model says, before its weights are read.
struct TextModelDirectory {
  std::filesystem::path path;
  nlohmann::json config;  ///< config.json, whole: keys that are not used here are kept when it is written
  text::WordPiece tokenizer;
  std::map<std::string, std::string> tokenizer_files;  ///< name to content, to be written again
  std::vector<std::string>
      labels;  ///< class names of id2label in the order of their ids; empty when there are none
};

/// Reads config.json and the tokenizer. @throws formats::InputError naming file and key: a folder that is no
/// model, an architecture that is not supported.
TextModelDirectory read_text_model_directory(const std::filesystem::path& path);

/// @param folder named in messages. @throws formats::InputError naming file and key.
models::BertConfig read_bert_config(const nlohmann::json& config, const std::filesystem::path& folder);

/// A classifier with the folder's weights. Missing head tensors and surplus tensors are named on stderr,
/// once.
/// @param labels       names of the classes that it shall have.
/// @param seed         draws a missing head.
/// @param require_head a missing head is an error instead.
/// @throws formats::InputError naming file and tensor or key.
std::unique_ptr<models::TextClassifier> load_text_classifier(const TextModelDirectory& directory,
                                                             const std::vector<std::string>& labels,
                                                             uint64_t seed, bool require_head);

/// Writes model.safetensors, config.json (the original's keys, with these labels) and the tokenizer's files
/// into an existing folder, each file whole or not at all. @throws std::system_error when the disk refuses.
void save_text_classifier(const TextModelDirectory& directory, const models::TextClassifier& model,
                          const std::vector<std::string>& labels, const std::filesystem::path& folder);

/// The config.json of a classifier with these classes: every other key of the original is kept.
nlohmann::json classifier_config(nlohmann::json config, const std::vector<std::string>& labels);

/// Says something once on stderr: "vcas: warning: ...".
void warn(std::string_view message);

}  // namespace vcas::training
