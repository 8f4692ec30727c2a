#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "vcas/models/bert.h"

namespace vcas::models {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& key, const std::string& expected, const json& got) {
  throw std::invalid_argument(fmt::format("{}: expected {}, got {}", key, expected, got.dump()));
}

const json& required(const json& config, const std::string& key) {
  const auto found = config.find(key);
  if (found == config.end())
    throw std::invalid_argument(fmt::format("{}: expected a value, it is missing", key));
  return *found;
}

int64_t read_size(const json& config, const std::string& key) {
  const auto& value = required(config, key);
  if (!value.is_number_integer() || value.get<double>() < 1 || value.get<double>() > 1e9)
    refuse(key, "a positive integer", value);
  return value.get<int64_t>();
}

int64_t read_size(const json& config, const std::string& key, int64_t otherwise) {
  return config.contains(key) ? read_size(config, key) : otherwise;
}

double read_number(const json& config, const std::string& key, double otherwise, double low, double high) {
  const auto found = config.find(key);
  if (found == config.end()) return otherwise;
  if (!found->is_number() || !(found->get<double>() >= low && found->get<double>() <= high))
    refuse(key, fmt::format("a number from {} to {}", low, high), *found);
  return found->get<double>();
}

double read_probability(const json& config, const std::string& key) {
  const double p = read_number(config, key, 0.1, 0, 1);
  if (p == 1) refuse(key, "a probability below 1", config.at(key));
  return p;
}

void require_text(const json& config, const std::string& key, const std::string& only) {
  const auto found = config.find(key);
  if (found != config.end() && *found != only)
    refuse(key, "\"" + only + "\" (the only supported value)", *found);
}

void require_false(const json& config, const std::string& key) {
  const auto found = config.find(key);
  if (found != config.end() && *found != false) refuse(key, "false (the only supported value)", *found);
}

int64_t read_label_count(const json& config) {
  if (const auto found = config.find("id2label"); found != config.end()) {
    if (!found->is_object() || found->empty()) refuse("id2label", "an object of at least one label", *found);
    return static_cast<int64_t>(found->size());
  }
  return read_size(config, "num_labels", 2);
}

std::string read_activation(const json& config) {
  const auto found = config.find("hidden_act");
  if (found == config.end()) return "gelu";
  for (const char* known : {"gelu", "gelu_new", "gelu_pytorch_tanh"})
    if (*found == known) return known;
  refuse("hidden_act", "\"gelu\", \"gelu_new\" or \"gelu_pytorch_tanh\"", *found);
}

}  // namespace

BertConfig BertConfig::from_json(const json& config) {
  if (!config.is_object()) throw std::invalid_argument("expected a JSON object");
  const auto& model_type = required(config, "model_type");
  if (model_type != "bert")
    refuse("model_type", "\"bert\" (other architectures are not supported)", model_type);
  require_text(config, "position_embedding_type", "absolute");
  require_false(config, "is_decoder");
  require_false(config, "add_cross_attention");

  BertConfig result;
  result.vocab_size = read_size(config, "vocab_size");
  result.hidden_size = read_size(config, "hidden_size");
  result.num_hidden_layers = read_size(config, "num_hidden_layers");
  result.num_attention_heads = read_size(config, "num_attention_heads");
  result.intermediate_size = read_size(config, "intermediate_size");
  result.max_position_embeddings =
      read_size(config, "max_position_embeddings", result.max_position_embeddings);
  result.type_vocab_size = read_size(config, "type_vocab_size", result.type_vocab_size);
  result.layer_norm_eps = read_number(config, "layer_norm_eps", result.layer_norm_eps, 0, 1);
  result.hidden_dropout_prob = read_probability(config, "hidden_dropout_prob");
  result.attention_probs_dropout_prob = read_probability(config, "attention_probs_dropout_prob");
  result.classifier_dropout = result.hidden_dropout_prob;
  if (config.contains("classifier_dropout") && !config.at("classifier_dropout").is_null())
    result.classifier_dropout = read_probability(config, "classifier_dropout");
  result.initializer_range = read_number(config, "initializer_range", result.initializer_range, 0, 10);
  result.hidden_act = read_activation(config);
  result.num_labels = read_label_count(config);
  if (result.hidden_size % result.num_attention_heads != 0)
    refuse("num_attention_heads", fmt::format("a divisor of hidden_size {}", result.hidden_size),
           config.at("num_attention_heads"));
  return result;
}

}  // namespace vcas::models
