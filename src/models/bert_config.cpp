#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "models/hugging_face/label_names.h"
#include "vcas/models/bert.h"

namespace vcas::models {
namespace {

using formats::JsonObject;

constexpr int64_t kLargestSize = 1'000'000'000;

struct ActivationName {
  std::string_view name;  ///< in Hugging Face's ACT2FN
  ops::Activation activation;
};
constexpr ActivationName kActivations[] = {
    {"gelu", ops::Activation::gelu},
    {"gelu_python", ops::Activation::gelu},
    {"gelu_new", ops::Activation::tanh_gelu},
    {"gelu_pytorch_tanh", ops::Activation::tanh_gelu},
    {"gelu_fast", ops::Activation::tanh_gelu},
    {"gelu_accurate", ops::Activation::tanh_gelu},
    {"gelu_python_tanh", ops::Activation::tanh_gelu},
    {"relu", ops::Activation::relu},
    {"silu", ops::Activation::silu},
    {"swish", ops::Activation::silu},
};

/// A size that may be missing, but not null.
int64_t read_size(const JsonObject& json, std::string_view key, int64_t otherwise) {
  return json.json().contains(key) ? json.integer(key, 1, kLargestSize) : otherwise;
}

double read_dropout(const JsonObject& json, std::string_view key, double otherwise) {
  const double p = json.number_or(key, otherwise, 0, 1);
  if (p == 1) json.fail(key, "a probability below 1");
  return p;
}

std::string read_activation(const JsonObject& json) {
  const std::string name = json.string_or("hidden_act", "gelu");
  if (std::ranges::find(kActivations, name, &ActivationName::name) == std::end(kActivations)) {
    std::vector<std::string_view> names;
    std::ranges::transform(kActivations, std::back_inserter(names), &ActivationName::name);
    json.fail("hidden_act", fmt::format("one of '{}'", fmt::join(names, "', '")));
  }
  return name;
}

/// What this implementation of BERT does not do.
void require_supported(const JsonObject& json) {
  if (json.string("model_type") != "bert") json.fail("model_type", "a supported architecture ('bert')");
  if (json.string_or("position_embedding_type", "absolute") != "absolute")
    json.fail("position_embedding_type", "'absolute' (the only supported value)");
  for (const char* key : {"is_decoder", "add_cross_attention"})
    if (json.boolean_or(key, false)) json.fail(key, "false (the only supported value)");
}

}  // namespace

BertConfig BertConfig::from_json(const JsonObject& json) {
  require_supported(json);
  BertConfig result;
  result.vocab_size = read_size(json, "vocab_size", result.vocab_size);
  result.hidden_size = read_size(json, "hidden_size", result.hidden_size);
  result.num_hidden_layers = read_size(json, "num_hidden_layers", result.num_hidden_layers);
  result.num_attention_heads = read_size(json, "num_attention_heads", result.num_attention_heads);
  result.intermediate_size = read_size(json, "intermediate_size", result.intermediate_size);
  result.max_position_embeddings = read_size(json, "max_position_embeddings", result.max_position_embeddings);
  result.type_vocab_size = read_size(json, "type_vocab_size", result.type_vocab_size);
  result.layer_norm_eps = json.number_or("layer_norm_eps", result.layer_norm_eps, 0, 1);
  result.hidden_dropout_prob = read_dropout(json, "hidden_dropout_prob", result.hidden_dropout_prob);
  result.attention_probs_dropout_prob =
      read_dropout(json, "attention_probs_dropout_prob", result.attention_probs_dropout_prob);
  result.classifier_dropout = read_dropout(json, "classifier_dropout", result.hidden_dropout_prob);
  result.initializer_range = json.number_or("initializer_range", result.initializer_range, 0, 10);
  result.hidden_act = read_activation(json);
  result.num_labels = hugging_face::label_count(json);
  if (result.hidden_size % result.num_attention_heads != 0)
    json.fail("num_attention_heads", fmt::format("a divisor of hidden_size {}", result.hidden_size));
  return result;
}

ops::Activation BertConfig::activation() const {
  const auto* found = std::ranges::find(kActivations, hidden_act, &ActivationName::name);
  if (found == std::end(kActivations)) {
    throw std::invalid_argument(fmt::format("BertConfig: expected a known hidden_act, got '{}'", hidden_act));
  }
  return found->activation;
}

}  // namespace vcas::models
