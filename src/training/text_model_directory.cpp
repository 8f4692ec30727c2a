#include "vcas/training/text_model_directory.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <stdexcept>
#include <utility>

#include "vcas/formats/atomic_directory.h"
#include "vcas/formats/error.h"
#include "vcas/formats/file.h"
#include "vcas/formats/json.h"
#include "vcas/training/tensor_file.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "config.json";
constexpr const char* kModelFile = "model.safetensors";
constexpr const char* kSupportedArchitecture = "bert";

void require_supported_architecture(const formats::JsonObject& config) {
  const std::string architecture = config.string("model_type");
  if (architecture != kSupportedArchitecture) {
    config.fail("model_type", fmt::format("a supported architecture (\"{}\")", kSupportedArchitecture));
  }
}

/// Names of id2label {"0": "negative", ...} by id; ids must be 0..n-1.
std::vector<std::string> read_labels(const formats::JsonObject& config) {
  if (!config.has("id2label")) return {};
  const auto by_id = config.object("id2label");
  std::vector<std::string> labels;
  for (size_t id = 0; id < by_id.json().size(); ++id) labels.push_back(by_id.string(std::to_string(id)));
  return labels;
}

std::map<std::string, std::string> read_tokenizer_files(const fs::path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& path : text::tokenizer_files(folder))
    contents[path.filename().string()] = formats::read_file(path);
  return contents;
}

void require_vocabulary_fits(const TextModelDirectory& directory, const models::BertConfig& config) {
  const int64_t tokens = directory.tokenizer.vocabulary_size();
  if (tokens <= config.vocab_size) return;
  throw formats::InputError(
      (directory.path / kConfigFile).string(),
      fmt::format("key 'vocab_size': expected at least the tokenizer's {} tokens, got {}", tokens,
                  config.vocab_size));
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

void report(const models::LoadReport& report, const fs::path& file) {
  if (!report.initialised.empty()) {
    warn(fmt::format("{}: no classification head; initialised from the seed: {}", file.string(),
                     joined(report.initialised)));
  }
  if (!report.surplus.empty()) {
    warn(fmt::format("{}: tensors that the model does not have are ignored: {}", file.string(),
                     joined(report.surplus)));
  }
}

}  // namespace

TextModelDirectory read_text_model_directory(const fs::path& path) {
  if (!fs::is_directory(path)) {
    throw formats::InputError(path.string(),
                              "expected the folder of a model (config.json, model.safetensors, "
                              "tokenizer.json or vocab.txt), got " +
                                  std::string(fs::exists(path) ? "a file" : "nothing"));
  }
  auto config = formats::read_json(path / kConfigFile);
  const formats::JsonObject object(config, (path / kConfigFile).string());
  require_supported_architecture(object);
  auto labels = read_labels(object);
  return {path, std::move(config), text::WordPiece::from_folder(path), read_tokenizer_files(path),
          std::move(labels)};
}

models::BertConfig read_bert_config(const nlohmann::json& config, const fs::path& folder) {
  try {
    return models::BertConfig::from_json(config);
  } catch (const std::invalid_argument& error) {
    throw formats::InputError((folder / kConfigFile).string(), error.what());
  }
}

std::unique_ptr<models::TextClassifier> load_text_classifier(const TextModelDirectory& directory,
                                                             const std::vector<std::string>& labels,
                                                             uint64_t seed, bool require_head) {
  auto config = read_bert_config(classifier_config(directory.config, labels), directory.path);
  require_vocabulary_fits(directory, config);
  const fs::path file = directory.path / kModelFile;
  const NamedTensors tensors = read_tensors(file);
  models::LoadReport load_report;
  std::unique_ptr<models::TextClassifier> model;
  try {
    model = models::make_bert_classifier(config, tensors, seed, require_head, &load_report);
  } catch (const std::invalid_argument& error) {
    throw formats::InputError(file.string(), error.what());
  }
  report(load_report, file);
  return model;
}

void save_text_classifier(const TextModelDirectory& directory, const models::TextClassifier& model,
                          const std::vector<std::string>& labels, const fs::path& folder) {
  write_tensors(folder / kModelFile, model.named_tensors());
  formats::write_file_atomically(folder / kConfigFile,
                                 classifier_config(directory.config, labels).dump(2) + "\n");
  for (const auto& [name, content] : directory.tokenizer_files)
    formats::write_file_atomically(folder / name, content);
}

nlohmann::json classifier_config(nlohmann::json config, const std::vector<std::string>& labels) {
  config["architectures"] = {"BertForSequenceClassification"};
  config["problem_type"] = "single_label_classification";
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

void warn(std::string_view message) { fmt::print(stderr, "vcas: warning: {}\n", message); }

}  // namespace vcas::training
