#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "arguments.h"
#include "ops/dropout/attention_mask.h"
#include "ops/linear/linear_backward.h"
#include "ops/packed_rows.h"
#include "query_rows.h"
#include "sampling/draw.h"
#include "sampling/norms.h"
#include "vcas/ops/linear.h"

namespace vcas::ops {
namespace {

using sampling::Site;

/// The lowest finite number of a type (float32's for wider ones).
double lowest(at::ScalarType type) {
  if (type == at::kHalf) return std::numeric_limits<at::Half>::lowest();
  if (type == at::kBFloat16) return std::numeric_limits<at::BFloat16>::lowest();
  return std::numeric_limits<float>::lowest();
}

/// The query rows of some samples. All tensors live on the device.
struct PackedQueries {
  PackedRows places;      ///< of the samples' query rows among all query rows
  at::Tensor position;    ///< [C] int64: position in its sample of each compact query row
  at::Tensor source_row;  ///< [C] int64: its row of the batch
  at::Tensor compact;     ///< [C] int64: its compact row; undefined where every row is a query row
};

/// @param rows of the same samples. @param kept as of rows_of_samples. @param all whether these are all.
PackedQueries queries_of_samples(const TransformerLayerArguments& arguments, const PackedRows& rows,
                                 const at::Tensor& kept, bool all) {
  if (!arguments.query_rows.defined()) return {rows, rows.position, rows.source_row, {}};
  const QueryRows queries(arguments.offsets, arguments.query_rows);
  const auto& offsets = queries.offset_tensor();
  const int64_t capacity =
      all ? arguments.query_rows.numel() : std::max(row_capacity(offsets, kept.numel()), int64_t{1});
  PackedQueries result;
  result.places = rows_of_samples(offsets, kept, capacity);
  const auto& slot = result.places.slot;
  const auto named = arguments.query_rows.to(kept.device(), /*non_blocking=*/true);
  // An unused one stands at the first row of its slot.
  result.source_row = at::where(result.places.used, named.index_select(0, result.places.source_row),
                                rows.first_row.index_select(0, slot));
  result.position = result.source_row - rows.first_row.index_select(0, slot);
  result.compact = rows.row_of.select(1, 0).index_select(0, slot) + result.position;
  return result;
}

/// One block on some rows, by differentiable tensor operations.
struct PlainBlock {
  const TransformerLayerArguments& arguments;
  const std::vector<at::Tensor>& parameters;
  const PackedRows& rows;
  const PackedQueries& queries;
  at::Tensor plan;                       ///< of the weights; undefined in the forward pass
  std::vector<at::Tensor> score_inputs;  ///< one a weight, or empty

  const TransformerLayerOptions& options() const { return arguments.options; }

  at::Tensor forward(const at::Tensor& x) const {
    const auto attention_input = options().pre_norm ? norm(x, kAttentionNormWeight) : x;
    const auto query = linear(TransformerWeight::query, at_queries(attention_input));
    const auto key = linear(TransformerWeight::key, attention_input);
    const auto value = linear(TransformerWeight::value, attention_input);
    const auto attended = linear(TransformerWeight::attention_output, attention(query, key, value));
    auto hidden = at_queries(x) + dropout(attended, Site::attention_output_dropout);
    if (!options().pre_norm) hidden = norm(hidden, kAttentionNormWeight);
    const auto feed_forward_input = options().pre_norm ? norm(hidden, kOutputNormWeight) : hidden;
    const auto activated = activate(linear(TransformerWeight::intermediate, feed_forward_input));
    const auto output =
        hidden + dropout(linear(TransformerWeight::output, activated), Site::feed_forward_dropout);
    return options().pre_norm ? output : norm(output, kOutputNormWeight);
  }

  at::Tensor at_queries(const at::Tensor& t) const {
    return queries.compact.defined() ? t.index_select(0, queries.compact) : t;
  }

  at::Tensor linear(TransformerWeight which, const at::Tensor& input) const {
    const auto index = static_cast<size_t>(which);
    LinearStatistics statistics;
    if (!score_inputs.empty()) statistics.row_scores = score_inputs[index];
    return ops::linear(input, parameters[kWeightParameter[index]], parameters[kWeightParameter[index] + 1],
                       plan, static_cast<int64_t>(index), statistics, options().implementation,
                       options().precision);
  }

  at::Tensor activate(const at::Tensor& input) const {
    switch (options().activation) {
      case Activation::gelu:
        return at::gelu(input);
      case Activation::tanh_gelu:
        return at::gelu(input, "tanh");
      case Activation::relu:
        return at::relu(input);
      case Activation::silu:
        return at::silu(input);
    }
    return input;
  }

  at::Tensor norm(const at::Tensor& input, size_t weight) const {
    return at::layer_norm(input, {input.size(1)}, parameters[weight], parameters[weight + 1],
                          options().layer_norm_eps);
  }

  at::Tensor dropout(const at::Tensor& input, Site site) const {
    const double probability = arguments.hidden_dropout(site);
    if (probability == 0) return input;
    return input * dropout_mask(queries.source_row, input.size(1), arguments.rng, site, probability, input);
  }

  /// Softmax attention of each sample over its own rows, in a padded [samples, heads, positions, size]
  /// layout.
  at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) const {
    const int64_t size = query.size(1) / options().num_heads;
    const auto padded = [&](const at::Tensor& t, const at::Tensor& row_of) {
      return t.index_select(0, row_of.reshape(-1))
          .view({row_of.size(0), row_of.size(1), options().num_heads, size})
          .transpose(1, 2);
    };
    const auto& query_of = queries.places.row_of;
    const auto scores = at::matmul(padded(query, query_of), padded(key, rows.row_of).transpose(-2, -1)) /
                        std::sqrt(static_cast<double>(size));
    // Every row keeps a finite score, so that unused rows give numbers (whose gradient is zero) and not NaN.
    const auto masked = scores.masked_fill(allowed_pairs().logical_not(), lowest(scores.scalar_type()));
    auto probabilities = at::softmax(masked, -1);
    if (options().attention_dropout > 0) probabilities = probabilities * attention_mask(probabilities);
    const auto context =
        at::matmul(probabilities, padded(value, rows.row_of)).transpose(1, 2).reshape({-1, query.size(1)});
    return context.index_select(0, queries.places.slot * query_of.size(1) + queries.places.position);
  }

  /// Positions in their samples of the padded query rows: [samples, longest].
  at::Tensor padded_positions() const {
    const auto& row_of = queries.places.row_of;
    return queries.position.index_select(0, row_of.reshape(-1)).view(row_of.sizes());
  }

  at::Tensor allowed_pairs() const {
    auto allowed = rows.valid.unsqueeze(1).unsqueeze(1);
    if (!options().causal) return allowed;
    const auto keys = at::arange(rows.valid.size(1), rows.row_of.options());
    return allowed.logical_and(keys.le(padded_positions().unsqueeze(2)).unsqueeze(1));
  }

  at::Tensor attention_mask(const at::Tensor& like) const {
    const auto source = rows.first_row.unsqueeze(1) + padded_positions();
    return attention_dropout_mask(source, options().num_heads, rows.valid.size(1), arguments.rng,
                                  options().attention_dropout, like);
  }

  /// Compact entries of a weight, at the rows that it runs on.
  const at::Tensor& source_row(int64_t weight) const {
    return runs_on_query_rows(weight) ? queries.places.source_row : rows.source_row;
  }
};

std::vector<at::Tensor> make_score_inputs(const PlainBlock& block) {
  std::vector<at::Tensor> inputs;
  const auto options = block.rows.first_row.options().dtype(at::kDouble);
  for (int64_t i = 0; i < kTransformerWeights; ++i)
    inputs.push_back(at::zeros({block.source_row(i).numel()}, options).set_requires_grad(true));
  return inputs;
}

/// Scores of compact rows, back at the rows of the batch (TransformerLayerStatistics).
at::Tensor spread_scores(const std::vector<at::Tensor>& compact, const PlainBlock& block) {
  std::vector<at::Tensor> spread;
  for (int64_t i = 0; i < kTransformerWeights; ++i)
    spread.push_back(at::zeros({block.arguments.rows_of(i)}, compact[i].options())
                         .index_add(0, block.source_row(i), compact[i]));
  return at::cat(spread);
}

/// The plain implementation computes the whole padded buffer, whichever samples are in it.
TransformerLayerWork kept_work(const PlainBlock& block) {
  const auto& query_of = block.queries.places.row_of;
  TransformerLayerWork work;
  work.rows = static_cast<double>(block.rows.source_row.numel());
  work.query_rows = static_cast<double>(block.queries.source_row.numel());
  work.pairs = static_cast<double>(query_of.numel()) * static_cast<double>(block.rows.row_of.size(1));
  return work;
}

double flops_of(const PlainBlock& block, const TransformerLayerRequest& request) {
  const auto& arguments = block.arguments;
  const auto work = kept_work(block);
  std::vector<double> weight_rows;
  for (int64_t i = 0; i < kTransformerWeights; ++i) {
    const auto count = weight_row_count(request.plan, i, static_cast<int64_t>(work.rows_of(i)));
    weight_rows.push_back(request.parameters[kWeightParameter[i]] ? static_cast<double>(count) : 0.0);
  }
  return transformer_layer_backward_flops(work, weight_rows, arguments.hidden(), arguments.intermediate(),
                                          TransformerLayerBackward::plain);
}

}  // namespace

at::Tensor transformer_layer_forward_plain(const TransformerLayerArguments& arguments) {
  const auto kept = at::arange(arguments.samples(), arguments.x.options().dtype(at::kLong));
  const auto rows = rows_of_samples(arguments.offsets, kept, arguments.rows());
  const auto queries = queries_of_samples(arguments, rows, kept, /*all=*/true);
  return PlainBlock{arguments, arguments.parameters, rows, queries, {}, {}}.forward(arguments.x);
}

TransformerLayerGradients transformer_layer_backward_plain(const at::Tensor& gradient,
                                                           const TransformerLayerArguments& arguments,
                                                           const TransformerLayerRequest& request) {
  TransformerLayerGradients result;
  result.statistics.sample_norms =
      norms_over_queries(sampling::row_norms(gradient), QueryRows(arguments.offsets, arguments.query_rows));
  const auto kept = sampling::draw_samples(result.statistics.sample_norms, request.plan);
  const int64_t capacity =
      request.plan.sampled ? row_capacity(arguments.offsets, kept.indices.numel()) : arguments.rows();
  const auto rows = rows_of_samples(arguments.offsets, kept.indices, capacity);
  const auto queries = queries_of_samples(arguments, rows, kept.indices, !request.plan.sampled);

  at::AutoGradMode with_gradient(true);
  std::vector<at::Tensor> parameters, wanted;
  for (size_t i = 0; i < arguments.parameters.size(); ++i) {
    parameters.push_back(arguments.parameters[i].detach().set_requires_grad(request.parameters[i]));
    if (request.parameters[i]) wanted.push_back(parameters[i]);
  }
  const auto x = arguments.x.detach().index_select(0, rows.source_row).set_requires_grad(request.input);
  if (request.input) wanted.push_back(x);
  PlainBlock block{arguments, parameters, rows, queries, {}, {}};
  if (request.plan.sampled) {
    block.plan = sampling::make_plan_tensor(kTransformerWeights);
    sampling::write_plan(request.plan, block.plan);
  }
  if (request.row_scores) {
    block.score_inputs = make_score_inputs(block);
    wanted.insert(wanted.end(), block.score_inputs.begin(), block.score_inputs.end());
  }
  const auto output = block.forward(x);
  const auto& places = queries.places;
  const auto scale = kept.scales.index_select(0, places.slot) * places.used;
  const auto arriving =
      gradient.index_select(0, places.source_row) * scale.to(gradient.scalar_type()).unsqueeze(1);
  std::vector<at::Tensor> gradients;
  if (!wanted.empty()) gradients = torch::autograd::grad({output}, wanted, {arriving});

  size_t next = 0;
  result.parameters.resize(kTransformerParameters);
  for (size_t i = 0; i < kTransformerParameters; ++i)
    if (request.parameters[i]) result.parameters[i] = gradients[next++];
  if (request.input)
    result.input =
        at::zeros_like(arguments.x).index_add(0, rows.source_row, gradients[next++] * rows.used.unsqueeze(1));
  if (request.row_scores)
    result.statistics.row_scores = spread_scores(
        std::vector<at::Tensor>(gradients.begin() + static_cast<int64_t>(next), gradients.end()), block);
  result.statistics.flops = flops_tensor(flops_of(block, request));
  return result;
}

}  // namespace vcas::ops
