#include "vcas/nn/transformer_layer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <utility>

namespace vcas::nn {
namespace {

constexpr const char* kWeightNames[] = {"query",        "key",   "value", "attention_output",
                                        "intermediate", "output"};

BlockRecord make_record(const at::Tensor& x, const at::Tensor& offsets, const at::Tensor& query_rows,
                        const sampling::StreamKey& stream) {
  auto rows = ops::transformer_layer_rows(offsets, query_rows);
  const int64_t scores = rows.score_count();
  const auto zeros = [](int64_t count, const at::TensorOptions& options) {
    return at::zeros({count}, options.dtype(at::kDouble)).set_requires_grad(true);
  };
  BlockRecord record;
  record.plan = sampling::make_plan_tensor(ops::kTransformerWeights);
  record.rows = {rows.samples, std::move(rows.weight_rows)};
  record.weight_offsets = std::move(rows.weight_offsets);
  record.stream = stream;
  record.sample_norms = zeros(record.rows.samples, x.options());
  record.row_scores = zeros(scores, x.options());
  record.flops = zeros(1, at::TensorOptions(at::kCPU));
  return record;
}

}  // namespace

TransformerLayer::TransformerLayer(const TransformerLayerOptions& options) : options_(options) {
  const int64_t hidden = options.hidden_size, intermediate = options.intermediate_size;
  for (const char* name : {"query", "key", "value", "attention_output"}) add_linear(name, hidden, hidden);
  add_norm("attention_norm");
  add_linear("intermediate", intermediate, hidden);
  add_linear("output", hidden, intermediate);
  add_norm("output_norm");
}

void TransformerLayer::add_linear(const std::string& name, int64_t outputs, int64_t inputs) {
  parameters_.push_back(add_parameter(name + "_weight", at::empty({outputs, inputs}).normal_(0, 0.02)));
  parameters_.push_back(add_parameter(name + "_bias", at::zeros({outputs})));
}

void TransformerLayer::add_norm(const std::string& name) {
  parameters_.push_back(add_parameter(name + "_weight", at::ones({options_.hidden_size})));
  parameters_.push_back(add_parameter(name + "_bias", at::zeros({options_.hidden_size})));
}

at::Tensor TransformerLayer::forward(const at::Tensor& x, const at::Tensor& offsets,
                                     const at::Tensor& query_rows, Recording& recording) {
  const auto stream = recording.next_stream();
  auto& record = recording.add(make_record(x, offsets, query_rows, stream));
  record.exact = flops(offsets, query_rows, recording.compute());
  return ops::transformer_layer(x, offsets, query_rows, parameters_, ops::make_rng_tensor(stream),
                                record.plan, {record.sample_norms, record.row_scores, record.flops},
                                layer_options(recording.training(), recording.compute()));
}

Flops TransformerLayer::flops(const at::Tensor& offsets, const at::Tensor& query_rows,
                              const ops::ComputeOptions& compute) const {
  return ops::transformer_layer_flops(offsets, query_rows, ops::TransformerLayerShape::of(parameters_),
                                      layer_options(/*training=*/true, compute));
}

sampling::SampledBlock TransformerLayer::describe() const {
  sampling::SampledBlock block;
  block.cost_key = fmt::format("transformer_layer {}x{}", options_.hidden_size, options_.intermediate_size);
  for (const char* name : kWeightNames) block.weights.push_back({fmt::format("{}_weight", name)});
  return block;
}

ops::TransformerLayerOptions TransformerLayer::layer_options(bool training,
                                                             const ops::ComputeOptions& compute) const {
  auto layer = options_.layer;
  if (!training) layer.hidden_dropout = layer.attention_dropout = 0;
  layer.precision = compute.precision;
  layer.recompute = layer.recompute || compute.recompute;
  return layer;
}

at::Tensor first_rows(const at::Tensor& offsets) { return offsets.narrow(0, 0, offsets.numel() - 1); }

}  // namespace vcas::nn
