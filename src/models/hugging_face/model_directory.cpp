#include "vcas/models/hugging_face/model_directory.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>
#include <string_view>
#include <utility>

#include "formats/atomic_directory.h"
#include "formats/file.h"
#include "formats/path_type.h"
#include "formats/warning.h"
#include "models/hugging_face/label_names.h"
#include "models/hugging_face/weight_files.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"
#include "vcas/nn/tensor_file.h"

namespace vcas::models::hugging_face {
namespace {

namespace fs = std::filesystem;
using formats::InputError;
using formats::JsonObject;

constexpr const char* kConfigFile = "config.json";
constexpr const char* kModelFile = "model.safetensors";
constexpr const char* kProblemType = "problem_type";
constexpr const char* kSingleLabel = "single_label_classification";

void require_folder(const fs::path& path) {
  const auto type = formats::path_type(path);
  if (type == fs::file_type::directory) return;
  throw InputError(path.string(),
                   fmt::format("expected the folder of a model (config.json, model.safetensors, "
                               "tokenizer.json or vocab.txt), got {}",
                               type == fs::file_type::not_found ? "nothing" : "a file"));
}

/// What a head of the folder is for, by Hugging Face's names of losses.
std::string problem_type(const JsonObject& config) {
  const auto type = config.string_or(kProblemType, kSingleLabel);
  return type.empty() ? kSingleLabel : type;
}

std::map<std::string, std::string> read_tokenizer_files(const fs::path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& path : text::tokenizer_files(folder))
    contents[path.filename().string()] = formats::read_file(path);
  return contents;
}

void warn_of(const LoadReport& report, const fs::path& file) {
  if (!report.initialised.empty()) {
    formats::warn(fmt::format("{}: no classification head; initialised from the seed: {}", file.string(),
                              fmt::join(report.initialised, ", ")));
  }
  if (!report.resized.empty()) {
    formats::warn(fmt::format("{}: of another shape than the model's; initialised from the seed: {}",
                              file.string(), fmt::join(report.resized, ", ")));
  }
  if (!report.surplus.empty()) {
    formats::warn(fmt::format("{}: tensors that the model does not have are ignored: {}", file.string(),
                              fmt::join(report.surplus, ", ")));
  }
}

}  // namespace

BertConfig ModelDirectory::bert_config() const {
  return BertConfig::from_json(JsonObject(config, (path / kConfigFile).string()));
}

int64_t ModelDirectory::longest_text() const { return bert_config().max_position_embeddings; }

std::vector<std::string> ModelDirectory::labels_or_default() const {
  const JsonObject json(config, (path / kConfigFile).string());
  if (problem_type(json) != kSingleLabel)
    json.fail(kProblemType, fmt::format("'{}' (nothing else is evaluated)", kSingleLabel));
  const int64_t count = label_count(json);
  if (count < 2) {
    json.fail(labels.empty() ? "num_labels" : "id2label",
              "at least two classes (one output is problem_type 'regression' in Hugging Face, which is not "
              "evaluated)");
  }
  if (!labels.empty()) return labels;
  std::vector<std::string> names;
  for (int64_t id = 0; id < count; ++id) names.push_back(default_label_name(id));
  return names;
}

std::vector<std::string> ModelDirectory::head_labels() const {
  if (!labels.empty() || !weights_hold(path, "classifier.weight")) return labels;
  std::vector<std::string> names;
  const int64_t count = label_count(JsonObject(config, (path / kConfigFile).string()));
  for (int64_t id = 0; id < count; ++id) names.push_back(default_label_name(id));
  return names;
}

ModelDirectory read_model_directory(const fs::path& path) {
  require_folder(path);
  ModelDirectory directory;
  directory.path = path;
  directory.config = formats::read_json(path / kConfigFile);
  const JsonObject config(directory.config, (path / kConfigFile).string());
  BertConfig::from_json(config);
  problem_type(config);  // of the right type
  directory.labels = label_names(config);
  directory.tokenizer = text::read_tokenizer(path);
  directory.tokenizer_files = read_tokenizer_files(path);
  return directory;
}

std::unique_ptr<TextClassifier> load_text_classifier(const ModelDirectory& directory,
                                                     const std::vector<std::string>& labels, uint64_t seed,
                                                     bool require_head, bool ignore_mismatched_sizes) {
  auto config = directory.bert_config();
  const JsonObject json(directory.config, (directory.path / kConfigFile).string());
  if (const auto type = problem_type(json); type != kSingleLabel) {
    formats::warn(
        fmt::format("{}: problem_type '{}' is replaced by '{}'", json.source(), type, kSingleLabel));
  }
  config.num_labels = static_cast<int64_t>(labels.size());
  const auto weights = read_weight_files(directory.path);
  try {
    auto [model, report] =
        make_bert_classifier(config, weights.tensors, seed, require_head, ignore_mismatched_sizes);
    warn_of(report, weights.file);
    return std::move(model);
  } catch (const std::invalid_argument& error) {
    const bool hint =
        !require_head && std::string_view(error.what()).find("expected shape") != std::string::npos;
    throw InputError(weights.file.string(),
                     weights.located(error.what()) +
                         (hint ? "; --ignore_mismatched_sizes draws tensors of another shape anew" : ""));
  }
}

void save_text_classifier(const ModelDirectory& directory, const TextClassifier& model,
                          const std::vector<std::string>& labels, const fs::path& folder) {
  nn::write_tensors(folder / kModelFile, file_tensors(model, bert_tensor_table(directory.bert_config())));
  formats::write_file_atomically(folder / kConfigFile,
                                 classifier_config(directory.config, labels).dump(2) + "\n");
  for (const auto& [name, content] : directory.tokenizer_files)
    formats::write_file_atomically(folder / name, content);
}

void load_weights(TextClassifier& model, const fs::path& folder) {
  const auto config = formats::read_json(folder / kConfigFile);
  const auto table =
      bert_tensor_table(BertConfig::from_json(JsonObject(config, (folder / kConfigFile).string())));
  const fs::path file = folder / kModelFile;
  try {
    warn_of(load_file_tensors(model, table, nn::read_tensors(file), /*seed=*/0, /*require_head=*/true), file);
  } catch (const std::invalid_argument& error) {
    throw InputError(file.string(), error.what());
  }
}

nlohmann::json classifier_config(nlohmann::json config, const std::vector<std::string>& labels) {
  config["architectures"] = {"BertForSequenceClassification"};
  config[kProblemType] = kSingleLabel;
  config["id2label"] = nlohmann::json::object();
  config["label2id"] = nlohmann::json::object();
  for (size_t id = 0; id < labels.size(); ++id) {
    config["id2label"][std::to_string(id)] = labels[id];
    config["label2id"][labels[id]] = id;
  }
  config.erase("num_labels");  // Hugging Face derives it from id2label.
  // Weights are written as float32, and Hugging Face would cast them to what stands here.
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (config.contains(key)) config[key] = "float32";
  }
  return config;
}

}  // namespace vcas::models::hugging_face
