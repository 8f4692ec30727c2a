#include <ATen/ops/full.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "arguments.h"
#include "query_rows.h"
#include "sampling/float_array.h"

namespace vcas::ops {
namespace {

/// Elements of each weight.
std::array<double, kTransformerWeights> weight_sizes(int64_t hidden, int64_t intermediate) {
  const auto square = static_cast<double>(hidden) * static_cast<double>(hidden);
  const auto wide = static_cast<double>(hidden) * static_cast<double>(intermediate);
  return {square, square, square, square, wide, wide};
}

/// One product of queries and keys (or probabilities and values) over all heads.
double attention_product(const TransformerLayerWork& work, int64_t hidden) {
  return 2.0 * work.pairs * static_cast<double>(hidden);
}

TransformerLayerWork work_of(const at::Tensor& offsets, const QueryRows& queries, bool causal) {
  const auto* begin = offsets.const_data_ptr<int64_t>();
  TransformerLayerWork work;
  for (int64_t i = 0; i + 1 < offsets.numel(); ++i) {
    const int64_t length = begin[i + 1] - begin[i];
    work.rows += static_cast<double>(length);
    const int64_t first = queries.offsets()[i], end = queries.offsets()[i + 1];
    work.query_rows += static_cast<double>(end - first);
    work.pairs += attention_pairs(queries, i, begin[i], length, causal);
  }
  return work;
}

/// Pairs of the plain implementation, which computes every sample as long as the longest.
double padded_pairs(const at::Tensor& offsets, const QueryRows& queries) {
  const auto* begin = offsets.const_data_ptr<int64_t>();
  int64_t most_queries = 0, longest = 0;
  for (int64_t i = 0; i + 1 < offsets.numel(); ++i) {
    most_queries = std::max(most_queries, queries.offsets()[i + 1] - queries.offsets()[i]);
    longest = std::max(longest, begin[i + 1] - begin[i]);
  }
  return static_cast<double>(offsets.numel() - 1) * static_cast<double>(most_queries) *
         static_cast<double>(longest);
}

}  // namespace

TransformerLayerBackward transformer_layer_backward_kind(bool has_kernels,
                                                         const TransformerLayerOptions& options) {
  if (!has_kernels || options.implementation == Implementation::plain) return TransformerLayerBackward::plain;
  if (!options.recompute) return TransformerLayerBackward::from_saved;
  return options.pre_norm ? TransformerLayerBackward::recomputed_but_output
                          : TransformerLayerBackward::recomputed;
}

double transformer_layer_forward_flops(const TransformerLayerWork& work, int64_t hidden,
                                       int64_t intermediate) {
  double flops = 2.0 * attention_product(work, hidden);
  const auto sizes = weight_sizes(hidden, intermediate);
  for (size_t i = 0; i < sizes.size(); ++i) flops += 2.0 * work.rows_of(static_cast<int64_t>(i)) * sizes[i];
  return flops;
}

double transformer_layer_backward_flops(const TransformerLayerWork& kept,
                                        const std::vector<double>& weight_rows, int64_t hidden,
                                        int64_t intermediate, TransformerLayerBackward kind) {
  const auto sizes = weight_sizes(hidden, intermediate);
  TORCH_CHECK(weight_rows.size() == sizes.size(), "transformer_layer_backward_flops: expected ", sizes.size(),
              " row counts, got ", weight_rows.size());
  // Attention: gradients of probabilities, values, queries and keys, and the scores once more.
  double flops = (kind == TransformerLayerBackward::plain ? 4.0 : 5.0) * attention_product(kept, hidden);
  for (size_t i = 0; i < sizes.size(); ++i)
    flops += 2.0 * (kept.rows_of(static_cast<int64_t>(i)) + weight_rows[i]) * sizes[i];
  if (kind != TransformerLayerBackward::from_saved)
    flops += transformer_layer_forward_flops(kept, hidden, intermediate);
  if (kind == TransformerLayerBackward::recomputed_but_output) flops -= 2.0 * kept.query_rows * sizes.back();
  return flops;
}

at::Tensor flops_tensor(double flops) { return at::full({1}, flops, at::kDouble); }

TransformerLayerShape TransformerLayerShape::of(const std::vector<at::Tensor>& parameters) {
  TORCH_CHECK(parameters.size() == static_cast<size_t>(kTransformerParameters),
              "transformer_layer: expected ", kTransformerParameters, " parameters, got ", parameters.size());
  TransformerLayerShape shape;
  shape.hidden = parameters[kIntermediateWeight].size(1);
  shape.intermediate = parameters[kIntermediateWeight].size(0);
  for (size_t i = 0; i < shape.trainable.size(); ++i)
    shape.trainable[i] = parameters[kWeightParameter[i]].requires_grad();
  shape.has_kernels = std::all_of(parameters.begin(), parameters.end(), sampling::is_float_array);
  return shape;
}

Flops transformer_layer_flops(const at::Tensor& offsets, const at::Tensor& query_rows,
                              const TransformerLayerShape& shape, const TransformerLayerOptions& options) {
  const auto kind = transformer_layer_backward_kind(shape.has_kernels, options);
  const QueryRows queries(offsets, query_rows);
  auto work = work_of(offsets, queries, options.causal);
  if (kind == TransformerLayerBackward::plain) work.pairs = padded_pairs(offsets, queries);
  std::vector<double> weight_rows;
  for (size_t i = 0; i < shape.trainable.size(); ++i)
    weight_rows.push_back(shape.trainable[i] ? work.rows_of(static_cast<int64_t>(i)) : 0.0);
  return {transformer_layer_forward_flops(work, shape.hidden, shape.intermediate),
          transformer_layer_backward_flops(work, weight_rows, shape.hidden, shape.intermediate, kind)};
}

}  // namespace vcas::ops
