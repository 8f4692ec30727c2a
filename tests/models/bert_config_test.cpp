#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "vcas/formats/error.h"
#include "vcas/models/bert.h"

namespace vcas::models {
namespace bert_config_test {

using nlohmann::json;

json small_json() {
  return {{"model_type", "bert"},      {"vocab_size", 500},        {"hidden_size", 32},
          {"num_hidden_layers", 2},    {"num_attention_heads", 4}, {"intermediate_size", 64},
          {"hidden_dropout_prob", 0.2}};
}

BertConfig read(const json& config) {
  return BertConfig::from_json(formats::JsonObject(config, "config.json"));
}

std::string refusal(const json& changes) {
  json config = small_json();
  config.update(changes);
  try {
    read(config);
  } catch (const formats::InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(BertConfig, HasHuggingFacesDefaults) {
  const auto config = read(small_json());
  EXPECT_EQ(config.max_position_embeddings, 512);
  EXPECT_EQ(config.type_vocab_size, 2);
  EXPECT_EQ(config.num_labels, 2);
  EXPECT_EQ(config.hidden_act, "gelu");
  EXPECT_EQ(config.attention_probs_dropout_prob, 0.1);
  EXPECT_EQ(config.classifier_dropout, 0.2) << "as hidden_dropout_prob";
}

TEST(BertConfig, NullIsAsGoodAsMissing) {
  auto config = small_json();
  config["classifier_dropout"] = nullptr;
  config["id2label"] = nullptr;
  EXPECT_EQ(read(config).classifier_dropout, 0.2);
  EXPECT_EQ(read(config).num_labels, 2);
}

TEST(BertConfig, SizesThatAreMissingAreThoseOfBertBase) {
  const auto config = read({{"model_type", "bert"}});
  EXPECT_EQ(config.vocab_size, 30522);
  EXPECT_EQ(config.hidden_size, 768);
  EXPECT_EQ(config.num_hidden_layers, 12);
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                          "intermediate_size", "max_position_embeddings", "type_vocab_size"}) {
    EXPECT_EQ(refusal({{key, nullptr}}), std::string("config.json: key '") + key +
                                             "': expected an integer in [1, 1000000000], got null");
  }
}

TEST(BertConfig, KnowsHuggingFacesNamesOfActivations) {
  using ops::Activation;
  const std::pair<const char*, Activation> names[] = {
      {"gelu", Activation::gelu},
      {"gelu_python", Activation::gelu},
      {"gelu_new", Activation::tanh_gelu},
      {"gelu_pytorch_tanh", Activation::tanh_gelu},
      {"gelu_fast", Activation::tanh_gelu},
      {"gelu_accurate", Activation::tanh_gelu},
      {"gelu_python_tanh", Activation::tanh_gelu},
      {"relu", Activation::relu},
      {"silu", Activation::silu},
      {"swish", Activation::silu},
  };
  auto config = small_json();
  for (const auto& [name, activation] : names) {
    config["hidden_act"] = name;
    EXPECT_EQ(read(config).activation(), activation) << name;
  }
}

TEST(BertConfig, CountsLabels) {
  auto config = small_json();
  config["num_labels"] = 5;
  EXPECT_EQ(read(config).num_labels, 5);
  config["id2label"] = {{"0", "no"}, {"1", "perhaps"}, {"2", "yes"}};
  EXPECT_EQ(read(config).num_labels, 3);
}

TEST(BertConfig, NamesFileAndKeyOfWhatItRefuses) {
  EXPECT_EQ(refusal(json::object()), "accepted");
  EXPECT_EQ(refusal({{"hidden_size", "32"}}),
            "config.json: key 'hidden_size': expected an integer in [1, 1000000000], got '32'");
  EXPECT_EQ(refusal({{"num_attention_heads", 5}}),
            "config.json: key 'num_attention_heads': expected a divisor of hidden_size 32, got 5");
  EXPECT_EQ(refusal({{"hidden_dropout_prob", 1}}),
            "config.json: key 'hidden_dropout_prob': expected a probability below 1, got 1");
  EXPECT_EQ(
      refusal({{"hidden_act", "relu6"}}),
      "config.json: key 'hidden_act': expected one of 'gelu', 'gelu_python', 'gelu_new', "
      "'gelu_pytorch_tanh', 'gelu_fast', 'gelu_accurate', 'gelu_python_tanh', 'relu', 'silu', 'swish', got "
      "'relu6'");
  EXPECT_EQ(refusal({{"id2label", {{"0", "no"}, {"two", "yes"}}}}),
            "config.json: key 'id2label.two': expected an id as key, got 'yes'");
  EXPECT_EQ(refusal({{"is_decoder", true}}),
            "config.json: key 'is_decoder': expected false (the only supported value), got true");
  EXPECT_EQ(refusal({{"model_type", "roberta"}}),
            "config.json: key 'model_type': expected a supported architecture ('bert'), got 'roberta'");
}

}  // namespace bert_config_test
}  // namespace vcas::models
