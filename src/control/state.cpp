#include "control/state.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/sparse_coo_tensor.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace vcas::control {
namespace {

using nlohmann::json;

// Of a single-pair variance in units of its squared gradients, 1 - cos of two gradients: far below that of
// the variance itself (0.4 and 0.7), whose scatter is the gradients' own.
constexpr double kGradientLogSd = 0.3, kWeightLogSd = 0.4;

std::vector<std::vector<std::string>> names_of(const sampling::SamplingLayout& layout) {
  std::vector<std::vector<std::string>> names;
  for (const auto& block : layout.blocks) {
    auto& row = names.emplace_back();
    for (const auto& weight : block.weights) row.push_back(weight.name);
  }
  return names;
}

std::string name_of(Policy policy) { return policy == Policy::paper ? "paper" : "solve"; }

json json_of(const LogAverage& average) {
  const auto& numbers = average.numbers();
  return {numbers.count, numbers.log_mean, numbers.sum_of_squared_weights};
}

void restore(LogAverage& average, const json& numbers) {
  average.restore({numbers.at(0).get<int64_t>(), numbers.at(1).get<double>(), numbers.at(2).get<double>()});
}

/// By gradient: the shape of one that is sparse, null for a dense one.
json sparse_shapes(const std::vector<at::Tensor>& gradients) {
  json shapes = json::array();
  for (const at::Tensor& gradient : gradients) {
    shapes.push_back(gradient.is_sparse() ? json(gradient.sizes().vec()) : json());
  }
  return shapes;
}

/// Offsets of a batch's weights: the different ones, and by block and weight which of them.
json offsets_json(const WindowBatch& batch) {
  std::vector<std::vector<int64_t>> different;
  json places = json::array();
  for (const auto& block : batch.blocks) {
    json row = json::array();
    for (const auto& weight : block.weights) {
      const auto found = std::find(different.begin(), different.end(), weight.offsets);
      row.push_back(found - different.begin());
      if (found == different.end()) different.push_back(weight.offsets);
    }
    places.push_back(std::move(row));
  }
  return {{"different", std::move(different)}, {"weights", std::move(places)}};
}

json json_of(const Window& window) {
  json batches = json::array();
  for (const WindowBatch& batch : window.batches) {
    batches.push_back({{"offsets", offsets_json(batch)},
                       {"squared_errors", batch.squared_errors},
                       {"gradient_squares", batch.gradient_squares},
                       {"sampled_row_variance", batch.sampled_row_variance}});
  }
  return {{"start", window.start},
          {"gradient_count", window.gradients.count()},
          {"sparse_gradients", sparse_shapes(window.gradients.means())},
          {"gradient_sums", window.gradients.sums()},
          {"batches", std::move(batches)}};
}

/// A tensor of a checkpoint; empty where nothing was measured.
at::Tensor saved(const at::Tensor& tensor) { return tensor.defined() ? tensor : at::empty({0}, at::kDouble); }

// Hands out a checkpoint's tensors in the order of tensors_of().
class TensorReader {
 public:
  explicit TensorReader(const std::vector<at::Tensor>& tensors) : tensors_(tensors) {}

  at::Tensor next() {
    TORCH_CHECK(next_ < tensors_.size(), "controller state: expected more than ", tensors_.size(),
                " tensors");
    return tensors_[next_++].clone();
  }
  /// @param shape of a sparse COO tensor, stored as indices and values, or null.
  at::Tensor next_gradient(const json& shape) {
    at::Tensor first = next();
    if (shape.is_null()) return first;
    return at::sparse_coo_tensor(first, next(), shape.get<std::vector<int64_t>>()).coalesce();
  }
  /// Undefined where nothing was measured.
  at::Tensor next_float64() {
    const at::Tensor tensor = next().to(at::kCPU, at::kDouble).contiguous();
    return tensor.numel() > 0 ? tensor : at::Tensor();
  }
  void finish() const {
    TORCH_CHECK(next_ == tensors_.size(), "controller state: expected ", next_, " tensors, got ",
                tensors_.size());
  }

 private:
  const std::vector<at::Tensor>& tensors_;
  size_t next_ = 0;
};

NormHistory history_from(const json& batch_counts, TensorReader& tensors, size_t blocks) {
  NormHistory history;
  for (const json& count : batch_counts) {
    auto& window = history.emplace_back(count.get<size_t>());
    for (auto& batch : window) {
      for (size_t l = 0; l < blocks; ++l) batch.push_back(tensors.next_float64());
    }
  }
  return history;
}

sampling::BlockStatistics block_from(const json& offsets, size_t l, const sampling::SampledBlock& block,
                                     TensorReader& tensors) {
  sampling::BlockStatistics result;
  result.sample_norms = tensors.next_float64();
  for (size_t w = 0; w < block.weights.size(); ++w) {
    auto& weight = result.weights.emplace_back();
    offsets.at("different").at(offsets.at("weights").at(l).at(w).get<size_t>()).get_to(weight.offsets);
    const auto samples = static_cast<int64_t>(weight.offsets.size()) - 1;
    TORCH_CHECK(!result.sample_norms.defined() || result.sample_norms.numel() == samples,
                "controller state: expected ", samples, " norms of ", block.name, ", got ",
                result.sample_norms.defined() ? result.sample_norms.numel() : 0);
    weight.scores = tensors.next_float64();
    const int64_t rows = weight.offsets.empty() ? 0 : weight.offsets.back();
    if (!weight.offsets.empty() && rows == 0) weight.scores = at::empty({0}, at::kDouble);
    TORCH_CHECK(!weight.scores.defined() || weight.scores.numel() == rows, "controller state: expected ",
                rows, " row scores of ", block.weights[w].name, ", got ",
                weight.scores.defined() ? weight.scores.numel() : 0);
  }
  return result;
}

Window window_from(const json& numbers, TensorReader& tensors, const sampling::SamplingLayout& layout) {
  Window window;
  window.start = numbers.at("start").get<int64_t>();
  auto sums = numbers.at("gradient_sums").get<std::vector<double>>();
  std::vector<at::Tensor> means;
  const json& sparse = numbers.at("sparse_gradients");
  for (size_t i = 0; i < sums.size(); ++i) means.push_back(tensors.next_gradient(sparse.at(i)));
  window.gradients.restore(numbers.at("gradient_count").get<int64_t>(), std::move(sums), std::move(means));
  for (const json& entry : numbers.at("batches")) {
    auto& batch = window.batches.emplace_back();
    entry.at("squared_errors").get_to(batch.squared_errors);
    entry.at("gradient_squares").get_to(batch.gradient_squares);
    entry.at("sampled_row_variance").get_to(batch.sampled_row_variance);
    for (size_t l = 0; l < layout.blocks.size(); ++l)
      batch.blocks.push_back(block_from(entry.at("offsets"), l, layout.blocks[l], tensors));
  }
  return window;
}

void check_origin(const json& numbers, const sampling::SamplingLayout& layout, Policy policy) {
  const auto saved_policy = numbers.at("policy").get<std::string>();
  TORCH_CHECK(saved_policy == name_of(policy), "controller state: expected policy ", name_of(policy),
              ", got ", saved_policy);
  const auto saved_weights = numbers.at("weights").get<std::vector<std::vector<std::string>>>();
  TORCH_CHECK(saved_weights == names_of(layout), "controller state: expected the weights ",
              json(names_of(layout)).dump(), ", got ", json(saved_weights).dump());
}

void read_numbers(ControllerState& state, const json& numbers, const sampling::SamplingLayout& layout) {
  numbers.at("s").get_to(state.ratios.s);
  numbers.at("adaptations").get_to(state.adaptations);
  numbers.at("next_due").get_to(state.next_due);
  numbers.at("interval").get_to(state.interval);
  const json& report = numbers.at("report");
  state.report = {report.at(0), report.at(1), report.at(2), report.at(3)};
  restore(state.gradient_variance, numbers.at("gradient_variance"));
  for (size_t l = 0; l < layout.blocks.size(); ++l) {
    state.ratios.rho[l] = numbers.at("rho").at(l).get<double>();
    for (size_t i = 0; i < layout.blocks[l].weights.size(); ++i) {
      state.ratios.nu[l][i] = numbers.at("nu").at(l).at(i).get<double>();
      restore(state.weight_variance[l][i], numbers.at("weight_variance").at(l).at(i));
    }
  }
  if (const json& curve = numbers.at("curve"); !curve.is_null()) {
    state.curve = {curve.at(0).get<double>(), curve.at(1).get<double>(), curve.at(2).get<double>()};
  }
}

}  // namespace

ControllerState::ControllerState(const sampling::SamplingLayout& layout) : gradient_variance(kGradientLogSd) {
  ratios.rho.assign(layout.blocks.size(), 1);
  for (const auto& block : layout.blocks) {
    ratios.nu.emplace_back(block.weights.size(), 1);
    weight_variance.emplace_back(block.weights.size(), LogAverage(kWeightLogSd));
  }
}

json numbers_of(const ControllerState& state, const sampling::SamplingLayout& layout, Policy policy) {
  json weights = json::array();
  for (const auto& block : state.weight_variance) {
    json row = json::array();
    for (const LogAverage& average : block) row.push_back(json_of(average));
    weights.push_back(std::move(row));
  }
  json numbers = {{"policy", name_of(policy)},
                  {"weights", names_of(layout)},
                  {"s", state.ratios.s},
                  {"rho", state.ratios.rho},
                  {"nu", state.ratios.nu},
                  {"adaptations", state.adaptations},
                  {"next_due", state.next_due},
                  {"interval", state.interval},
                  {"report", {state.report.v_sgd, state.report.v_act, state.report.v_w, state.report.s}},
                  {"gradient_variance", json_of(state.gradient_variance)},
                  {"weight_variance", std::move(weights)},
                  {"curve", nullptr},
                  {"past_windows", json::array()},
                  {"window", nullptr}};
  if (state.curve) {
    numbers["curve"] = {state.curve->log_position, state.curve->log_level, state.curve->exponent};
  }
  for (const auto& window : state.past_norms) numbers["past_windows"].push_back(window.size());
  if (state.window) numbers["window"] = json_of(*state.window);
  return numbers;
}

std::vector<at::Tensor> tensors_of(const ControllerState& state) {
  std::vector<at::Tensor> tensors;
  for (const auto& window : state.past_norms) {
    for (const auto& batch : window) {
      for (const at::Tensor& norms : batch) tensors.push_back(saved(norms));
    }
  }
  if (!state.window) return tensors;
  for (const at::Tensor& mean : state.window->gradients.means()) {
    if (mean.is_sparse()) {
      tensors.push_back(mean.indices());
      tensors.push_back(mean.values());
    } else {
      tensors.push_back(mean);
    }
  }
  for (const WindowBatch& batch : state.window->batches) {
    for (const auto& block : batch.blocks) {
      tensors.push_back(saved(block.sample_norms));
      for (const auto& weight : block.weights) tensors.push_back(saved(weight.scores));
    }
  }
  return tensors;
}

ControllerState state_from(const json& numbers, const std::vector<at::Tensor>& tensors,
                           const sampling::SamplingLayout& layout, Policy policy) {
  try {
    check_origin(numbers, layout, policy);
    ControllerState state(layout);
    read_numbers(state, numbers, layout);
    TensorReader reader(tensors);
    state.past_norms = history_from(numbers.at("past_windows"), reader, layout.blocks.size());
    if (const json& window = numbers.at("window"); !window.is_null()) {
      state.window = window_from(window, reader, layout);
    }
    reader.finish();
    return state;
  } catch (const json::exception& error) {
    TORCH_CHECK(false, "controller state: ", error.what());
  }
}

}  // namespace vcas::control
