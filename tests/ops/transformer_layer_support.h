#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <vector>

#include "vcas/ops/transformer_layer.h"
#include "vcas/sampling/plan.h"

namespace vcas::ops::testing {

/// A small block with random numbers, and a packed batch for it.
struct Block {
  at::Tensor x, offsets, rng, output_gradient;
  at::Tensor query_rows = {};  ///< undefined: all
  std::vector<at::Tensor> parameters;
  TransformerLayerOptions options;

  int64_t samples() const { return offsets.numel() - 1; }
};

inline at::Tensor offsets_of(const std::vector<int64_t>& lengths) {
  auto offsets = at::zeros({static_cast<int64_t>(lengths.size()) + 1}, at::kLong);
  int64_t end = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    end += lengths[i];
    offsets[static_cast<int64_t>(i) + 1] = end;
  }
  return offsets;
}

/// Which rows a test wants the output of: all, the first of each sample (as a classifier does), or every
/// third of each sample but the second, which has none.
enum class Queries { all, first, some };

inline at::Tensor query_rows_of(const std::vector<int64_t>& lengths, Queries queries) {
  if (queries == Queries::all) return {};
  std::vector<int64_t> rows;
  int64_t begin = 0;
  for (size_t i = 0; i < lengths.size(); begin += lengths[i++]) {
    const int64_t count = queries == Queries::first ? 1 : lengths[i];
    if (queries == Queries::some && i == 1) continue;
    for (int64_t position = 0; position < count; position += 3) rows.push_back(begin + position);
  }
  return at::tensor(rows, at::kLong);
}

inline Block make_block(const std::vector<int64_t>& lengths, int64_t hidden, int64_t intermediate,
                        const TransformerLayerOptions& options, at::ScalarType type, uint64_t seed = 1,
                        const at::Tensor& query_rows = {}) {
  auto generator = at::detail::createCPUGenerator(seed);
  const auto normal = [&](at::IntArrayRef sizes, double scale) {
    return at::randn(sizes, generator, at::kDouble).mul_(scale).to(type);
  };
  Block block;
  block.options = options;
  block.offsets = offsets_of(lengths);
  block.rng = make_rng_tensor({.seed = seed, .micro_batch = 3, .layer = 1});
  const int64_t rows = block.offsets[-1].item<int64_t>();
  block.x = normal({rows, hidden}, 1.0);
  for (int64_t i = 0; i < kTransformerParameters; ++i) {
    const bool norm = i == 8 || i == 9 || i >= 14;
    const int64_t outputs = i == 10 || i == 11 ? intermediate : hidden;
    const int64_t inputs = i == 12 ? intermediate : hidden;
    auto parameter = norm || i % 2 == 1
                         ? normal({outputs}, 0.3)
                         : normal({outputs, inputs}, 1.0 / std::sqrt(static_cast<double>(inputs)));
    if (i == 8 || i == 14) parameter.add_(1.0);
    block.parameters.push_back(parameter.set_requires_grad(true));
  }
  block.x.set_requires_grad(true);
  block.query_rows = query_rows;
  block.output_gradient = normal({query_rows.defined() ? query_rows.numel() : rows, hidden}, 1.0);
  return block;
}

struct Gradients {
  at::Tensor output, x;
  std::vector<at::Tensor> parameters;
  at::Tensor sample_norms, row_scores, flops;

  std::vector<at::Tensor> tensors() const {
    auto all = parameters;
    all.push_back(x);
    return all;
  }
};

/// One forward pass that several backward passes go over.
class Pass {
 public:
  explicit Pass(const Block& block) : block_(block), plan_(sampling::make_plan_tensor(kTransformerWeights)) {
    const auto zeros = [](at::IntArrayRef sizes) {
      return at::zeros(sizes, at::TensorOptions().dtype(at::kDouble)).set_requires_grad(true);
    };
    const auto rows = transformer_layer_rows(block.offsets, block.query_rows);
    statistics_ = {zeros({rows.samples}), zeros({rows.score_count()}), zeros({1})};
    output_ = transformer_layer(block.x, block.offsets, block.query_rows, block.parameters, block.rng, plan_,
                                statistics_, block.options);
  }

  Gradients backward(const sampling::BlockPlan& plan) {
    auto complete = plan;
    if (complete.row_counts.empty())
      complete.row_counts.assign(kTransformerWeights, sampling::BlockPlan::kAllRows);
    if (complete.sample_count == 0) complete.sample_count = block_.samples();
    sampling::write_plan(complete, plan_);
    std::vector<at::Tensor> inputs;
    for (const auto& parameter : block_.parameters)
      if (parameter.requires_grad()) inputs.push_back(parameter);
    const size_t wanted = inputs.size();
    inputs.insert(inputs.end(),
                  {block_.x, statistics_.sample_norms, statistics_.row_scores, statistics_.flops});
    const auto values =
        torch::autograd::grad({output_}, inputs, {block_.output_gradient}, /*retain_graph=*/true);
    return {output_.detach(),
            values[wanted],
            {values.begin(), values.begin() + static_cast<int64_t>(wanted)},
            values[wanted + 1],
            values[wanted + 2],
            values[wanted + 3]};
  }

 private:
  const Block& block_;
  at::Tensor plan_, output_;
  TransformerLayerStatistics statistics_;
};

inline sampling::BlockPlan sampled_plan(int64_t samples, std::vector<int64_t> rows, uint32_t draw = 1,
                                        sampling::DrawMethod method = sampling::DrawMethod::fixed) {
  sampling::BlockPlan plan;
  plan.sampled = true;
  plan.draw_method = method;
  plan.stream = {.seed = 7, .micro_batch = 3, .layer = 1, .draw = draw};
  plan.sample_count = samples;
  plan.row_counts = std::move(rows);
  return plan;
}

/// ‖a - b‖ / ‖b‖, in float64.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  const auto norm = b.to(at::kDouble).norm().item<double>();
  const auto distance = (a.to(at::kDouble) - b.to(at::kDouble)).norm().item<double>();
  return norm == 0 ? distance : distance / norm;
}

}  // namespace vcas::ops::testing
