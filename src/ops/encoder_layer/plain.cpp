#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>

#include "arguments.h"
#include "ops/dropout/attention_mask.h"
#include "ops/linear/linear_backward.h"
#include "ops/packed_rows.h"
#include "vcas/ops/linear.h"
#include "vcas/sampling/draw.h"
#include "vcas/sampling/norms.h"

namespace vcas::ops {
namespace {

using sampling::Site;

/// One block on some rows, by differentiable tensor operations.
struct PlainBlock {
  const EncoderLayerArguments& arguments;
  const std::vector<at::Tensor>& parameters;
  const PackedRows& rows;
  at::Tensor plan;                       ///< of the linears; undefined in the forward pass
  std::vector<at::Tensor> score_probes;  ///< one a linear, or empty

  const EncoderLayerOptions& options() const { return arguments.options; }

  at::Tensor forward(const at::Tensor& x) const {
    const auto attention_input = options().pre_norm ? norm(x, kAttentionNormWeight) : x;
    const auto query = linear(EncoderLinear::query, queries(attention_input));
    const auto key = linear(EncoderLinear::key, attention_input);
    const auto value = linear(EncoderLinear::value, attention_input);
    const auto attended = linear(EncoderLinear::attention_output, attention(query, key, value));
    auto hidden = queries(x) + dropout(attended, Site::attention_output_dropout);
    if (!options().pre_norm) hidden = norm(hidden, kAttentionNormWeight);
    const auto feed_forward_input = options().pre_norm ? norm(hidden, kOutputNormWeight) : hidden;
    const auto activated = at::gelu(linear(EncoderLinear::intermediate, feed_forward_input),
                                    options().tanh_gelu ? "tanh" : "none");
    const auto output =
        hidden + dropout(linear(EncoderLinear::output, activated), Site::feed_forward_dropout);
    return options().pre_norm ? output : norm(output, kOutputNormWeight);
  }

  at::Tensor queries(const at::Tensor& t) const {
    return options().first_row_only ? t.index_select(0, rows.row_of.select(1, 0)) : t;
  }
  at::Tensor query_source_rows() const { return options().first_row_only ? rows.first_row : rows.source_row; }

  at::Tensor linear(EncoderLinear which, const at::Tensor& input) const {
    const auto index = static_cast<size_t>(which);
    LinearProbes probes;
    if (!score_probes.empty()) probes.row_scores = score_probes[index];
    return ops::linear(input, parameters[kLinearWeight[index]], parameters[kLinearWeight[index] + 1], plan,
                       static_cast<int64_t>(index), probes, options().implementation, options().precision);
  }

  at::Tensor norm(const at::Tensor& input, size_t weight) const {
    return at::layer_norm(input, {input.size(1)}, parameters[weight], parameters[weight + 1],
                          options().layer_norm_eps);
  }

  at::Tensor dropout(const at::Tensor& input, Site site) const {
    const double probability = arguments.hidden_dropout(site);
    if (probability == 0) return input;
    return input * dropout_mask(query_source_rows(), input.size(1), arguments.rng, site, probability, input);
  }

  /// Softmax attention of each sample over its own rows, in a padded [samples, heads, positions, size]
  /// layout.
  at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) const {
    const int64_t samples = rows.row_of.size(0), longest = rows.row_of.size(1);
    const int64_t size = query.size(1) / options().num_heads;
    const auto padded = [&](const at::Tensor& t) {
      return t.index_select(0, rows.row_of.reshape(-1))
          .view({samples, longest, options().num_heads, size})
          .transpose(1, 2);
    };
    const auto queries = options().first_row_only
                             ? query.view({samples, 1, options().num_heads, size}).transpose(1, 2)
                             : padded(query);
    const auto scores =
        at::matmul(queries, padded(key).transpose(-2, -1)) / std::sqrt(static_cast<double>(size));
    // Every row keeps a finite score, so that unused rows give numbers (whose gradient is zero) and not NaN.
    const auto masked = scores.masked_fill(allowed_pairs(queries.size(2)).logical_not(),
                                           std::numeric_limits<float>::lowest());
    auto probabilities = at::softmax(masked, -1);
    if (options().attention_dropout > 0)
      probabilities = probabilities * attention_mask(queries.size(2), probabilities);
    const auto context =
        at::matmul(probabilities, padded(value)).transpose(1, 2).reshape({-1, query.size(1)});
    return options().first_row_only ? context : context.index_select(0, rows.slot * longest + rows.position);
  }

  at::Tensor allowed_pairs(int64_t query_positions) const {
    auto allowed = rows.valid.unsqueeze(1).unsqueeze(1);
    if (!options().causal) return allowed;
    const auto positions = at::arange(rows.valid.size(1), rows.row_of.options());
    return allowed.logical_and(
        positions.unsqueeze(0).le(positions.narrow(0, 0, query_positions).unsqueeze(1)));
  }

  at::Tensor attention_mask(int64_t query_positions, const at::Tensor& like) const {
    const auto positions = at::arange(query_positions, rows.first_row.options());
    const auto source = rows.first_row.unsqueeze(1) + positions.unsqueeze(0);
    return attention_dropout_mask(source, options().num_heads, rows.valid.size(1), arguments.rng,
                                  options().attention_dropout, like);
  }
};

std::vector<at::Tensor> make_score_probes(const EncoderLayerArguments& arguments, const PackedRows& rows) {
  std::vector<at::Tensor> probes;
  const auto options = rows.first_row.options().dtype(at::kDouble);
  for (int64_t i = 0; i < kEncoderLinears; ++i) {
    const auto& entries =
        runs_on_all_rows(arguments.options.first_row_only, i) ? rows.source_row : rows.sample;
    probes.push_back(at::zeros({entries.numel()}, options).set_requires_grad(true));
  }
  return probes;
}

/// Scores of compact rows, back at the rows of the batch: [6, R].
at::Tensor spread_scores(const std::vector<at::Tensor>& compact, const EncoderLayerArguments& arguments,
                         const PackedRows& rows) {
  std::vector<at::Tensor> spread;
  for (int64_t i = 0; i < kEncoderLinears; ++i) {
    const auto& entries =
        runs_on_all_rows(arguments.options.first_row_only, i) ? rows.source_row : rows.sample;
    spread.push_back(at::zeros({arguments.rows()}, compact[i].options()).index_add(0, entries, compact[i]));
  }
  return at::stack(spread);
}

/// The plain implementation computes the whole padded buffer, whichever samples are in it.
EncoderLayerWork kept_work(const EncoderLayerArguments& arguments, const PackedRows& rows) {
  EncoderLayerWork work;
  const auto samples = static_cast<double>(rows.row_of.size(0)),
             longest = static_cast<double>(rows.row_of.size(1));
  work.rows = static_cast<double>(rows.source_row.numel());
  work.query_rows = arguments.options.first_row_only ? samples : work.rows;
  work.pairs = samples * longest * (arguments.options.first_row_only ? 1.0 : longest);
  return work;
}

}  // namespace

at::Tensor encoder_layer_forward_plain(const EncoderLayerArguments& arguments) {
  const auto kept = at::arange(arguments.samples(), arguments.x.options().dtype(at::kLong));
  const auto rows = rows_of_samples(arguments.offsets, kept, arguments.rows());
  return PlainBlock{arguments, arguments.parameters, rows, {}, {}}.forward(arguments.x);
}

EncoderLayerGradients encoder_layer_backward_plain(const at::Tensor& gradient,
                                                   const EncoderLayerArguments& arguments,
                                                   const EncoderLayerRequest& request) {
  const auto row_norms = sampling::row_norms(gradient);
  EncoderLayerGradients result;
  result.stats.sample_norms =
      arguments.options.first_row_only ? row_norms : sampling::sample_norms(row_norms, arguments.offsets);
  const auto kept = sampling::draw_samples(result.stats.sample_norms, request.plan);
  const int64_t capacity =
      request.plan.sampled ? row_capacity(arguments.offsets, kept.indices.numel()) : arguments.rows();
  const auto rows = rows_of_samples(arguments.offsets, kept.indices, capacity);

  at::AutoGradMode with_gradient(true);
  std::vector<at::Tensor> parameters, wanted;
  for (size_t i = 0; i < arguments.parameters.size(); ++i) {
    parameters.push_back(arguments.parameters[i].detach().set_requires_grad(request.parameters[i]));
    if (request.parameters[i]) wanted.push_back(parameters[i]);
  }
  const auto x = arguments.x.detach().index_select(0, rows.source_row).set_requires_grad(request.input);
  if (request.input) wanted.push_back(x);
  PlainBlock block{arguments, parameters, rows, {}, {}};
  if (request.plan.sampled) {
    block.plan = sampling::make_plan_tensor(kEncoderLinears);
    sampling::write_plan(request.plan, block.plan);
  }
  if (request.row_scores) {
    block.score_probes = make_score_probes(arguments, rows);
    wanted.insert(wanted.end(), block.score_probes.begin(), block.score_probes.end());
  }
  const auto output = block.forward(x);

  const bool first = arguments.options.first_row_only;
  const auto scale =
      first ? kept.scales * rows.sample_used : kept.scales.index_select(0, rows.slot) * rows.used;
  const auto arriving = gradient.index_select(0, first ? rows.sample : rows.source_row) *
                        scale.to(gradient.scalar_type()).unsqueeze(1);
  auto gradients = torch::autograd::grad({output}, wanted, {arriving});

  size_t next = 0;
  result.parameters.resize(kEncoderParameters);
  for (size_t i = 0; i < kEncoderParameters; ++i)
    if (request.parameters[i]) result.parameters[i] = gradients[next++];
  if (request.input)
    result.input =
        at::zeros_like(arguments.x).index_add(0, rows.source_row, gradients[next++] * rows.used.unsqueeze(1));
  if (request.row_scores)
    result.stats.row_scores = spread_scores(
        std::vector<at::Tensor>(gradients.begin() + static_cast<int64_t>(next), gradients.end()), arguments,
        rows);

  std::vector<double> weight_rows;
  const auto work = kept_work(arguments, rows);
  for (int64_t i = 0; i < kEncoderLinears; ++i) {
    const double available =
        runs_on_all_rows(arguments.options.first_row_only, i) ? work.rows : work.query_rows;
    const auto count = weight_row_count(request.plan, i, static_cast<int64_t>(available));
    weight_rows.push_back(request.parameters[kLinearWeight[i]] ? static_cast<double>(count) : 0.0);
  }
  result.stats.flops =
      at::full({1},
               encoder_layer_backward_flops(work, weight_rows, arguments.hidden(), arguments.intermediate(),
                                            EncoderLayerBackward::plain),
               at::TensorOptions().dtype(at::kDouble).device(gradient.device()));
  return result;
}

}  // namespace vcas::ops
