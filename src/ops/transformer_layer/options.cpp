#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <type_traits>

#include "vcas/ops/transformer_layer.h"

namespace vcas::ops {
namespace {

/// Activation's values by the names that stand for them.
constexpr std::array<std::string_view, 4> kActivationNames = {"gelu", "tanh_gelu", "relu", "silu"};

/// visit(key, value) for every option; Implementation and Precision as the flags that ask for their second
/// value.
template <class Options, class Visit>
void visit_options(Options& o, Visit&& visit) {
  visit("num_heads", o.num_heads);
  visit("layer_norm_eps", o.layer_norm_eps);
  visit("hidden_dropout", o.hidden_dropout);
  visit("attention_dropout", o.attention_dropout);
  visit("pre_norm", o.pre_norm);
  visit("causal", o.causal);
  visit("activation", o.activation);
  visit("plain", o.implementation);
  visit("bf16", o.precision);
  visit("recompute", o.recompute);
  visit("attention_output_dropout", o.attention_output_dropout);
}

template <class Value>
constexpr bool is_flag = std::is_enum_v<Value> || std::is_same_v<Value, bool>;

/// The shortest text that gives the same value again.
template <class Value>
std::string text_of(Value value) {
  if constexpr (std::is_same_v<Value, Activation>) {
    return std::string(kActivationNames.at(static_cast<size_t>(value)));
  } else if constexpr (is_flag<Value>) {
    return static_cast<int>(value) == 0 ? "0" : "1";
  } else {
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    return {text.data(), end};
  }
}

template <class Value>
void read(std::string_view key, std::string_view text, Value& value) {
  if constexpr (std::is_same_v<Value, Activation>) {
    const auto name = std::ranges::find(kActivationNames, text);
    TORCH_CHECK(name != kActivationNames.end(), "transformer_layer: expected ", key,
                "=gelu, tanh_gelu, relu or silu among the options, got ", key, "=", text);
    value = static_cast<Activation>(name - kActivationNames.begin());
  } else if constexpr (is_flag<Value>) {
    TORCH_CHECK(text == "0" || text == "1", "transformer_layer: expected ", key, "=0 or ", key,
                "=1 among the options, got ", key, "=", text);
    value = static_cast<Value>(text == "1");
  } else {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    TORCH_CHECK(error == std::errc() && end == text.data() + text.size(),
                "transformer_layer: expected a number for ", key, " among the options, got ", key, "=", text);
  }
}

void read_option(std::string_view item, TransformerLayerOptions& options) {
  const auto equals = item.find('=');
  const auto key = item.substr(0, equals);
  const auto text = equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1);
  bool found = false;
  visit_options(options, [&](std::string_view name, auto& value) {
    if (key != name) return;
    found = true;
    read(key, text, value);
  });
  TORCH_CHECK(found, "transformer_layer: expected options of ", TransformerLayerOptions().to_text(), ", got ",
              item);
}

}  // namespace

std::string TransformerLayerOptions::to_text() const {
  std::string text;
  visit_options(*this, [&](const char* name, const auto& value) {
    if (!text.empty()) text.append(" ");
    text.append(name).append("=").append(text_of(value));
  });
  return text;
}

TransformerLayerOptions TransformerLayerOptions::from_text(std::string_view text) {
  TransformerLayerOptions options;
  while (!text.empty()) {
    const auto end = text.find(' ');
    if (end != 0) read_option(text.substr(0, end), options);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return options;
}

}  // namespace vcas::ops
