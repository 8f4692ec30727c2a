#include <array>
#include <vector>

#include "arguments.h"
#include "kept_batch.h"
#include "kept_rows.h"
#include "kernel_arguments.h"
#include "ops/kernels/activation.h"
#include "ops/kernels/gemm.h"
#include "ops/kernels/layer_norm.h"
#include "ops/kernels/pooled_tensor.h"
#include "ops/kernels/reductions.h"
#include "ops/kernels/tensor_rows.h"
#include "ops/linear/linear_backward.h"
#include "ops/linear/sampled_weight.h"
#include "sampling/norms.h"
#include "saved_activations.h"

namespace vcas::ops {
namespace {

using kernels::rows_of;
using kernels::RowView;
using sampling::Site;

/// A gradient on compact rows, with the norm of each row.
struct CompactGradient {
  at::Tensor value;  ///< [C, columns]
  std::vector<double> row_norms;

  RowView view() const { return kernels::rows_of(value); }
  float* data() const { return value.mutable_data_ptr<float>(); }
};

/// A forward pass as the backward pass reads it: over the whole batch, or again over the kept samples alone.
struct ForwardToRead {
  const TransformerLayerArguments& arguments;
  const QueryRows& queries;  ///< of its batch
  const KeptRows& kept;      ///< the kept samples among those of this forward pass
  const KeptRows* source;    ///< as of transformer_layer_forward_cpu
};

/// The backward pass of a block as a sequence of kernels on the rows of the kept samples. Saved activations
/// are read in place through the kept rows; everything else is compact.
class CpuBackward {
 public:
  /// @param saved of the forward pass; each is let go when it has been read for the last time.
  /// @param kept the kept samples among those of the whole batch.
  CpuBackward(const TransformerLayerArguments& arguments, const ForwardToRead& forward,
              SavedActivations saved, const TransformerLayerRequest& request, const KeptRows& kept)
      : a_(arguments), forward_(forward), s_(std::move(saved)), request_(request), kept_(kept) {
    result_.parameters.resize(kTransformerParameters);
    if (request.row_scores)
      result_.statistics.row_scores = kernels::pooled_zeros({score_count(a_)}, at::kDouble);
  }

  TransformerLayerGradients run(const at::Tensor& gradient) {
    const RowView arriving{gradient.const_data_ptr<float>(), a_.hidden(), kept_.query_index(),
                           kept_.query_scale()};
    const auto hidden =
        a_.options.pre_norm ? feed_forward_pre_norm(arriving) : feed_forward_post_norm(arriving);
    const auto attended =
        through_dropout(rows_of(hidden), Site::attention_output_dropout, kAttentionOutputBias);
    weight_gradient(TransformerWeight::attention_output, attended, s_.context, forward_.kept.query_rows(),
                    {});
    const auto inner = attention(attended);
    if (request_.input || wants_input_norm()) result_.input = input_gradient(inner, hidden);
    count_flops();
    return std::move(result_);
  }

 private:
  struct AttentionGradients {
    CompactGradient query, key, value;
  };

  kernels::GemmOptions gemm() const { return {a_.options.precision}; }
  const float* parameter(size_t index) const { return a_.parameters[index].const_data_ptr<float>(); }
  at::Tensor compact(int64_t rows, int64_t columns) const {
    return kernels::pooled_empty({rows, columns}, at::kFloat);
  }
  bool wants_input_norm() const {
    return a_.options.pre_norm &&
           (request_.parameters[kAttentionNormWeight] || request_.parameters[kAttentionNormBias]);
  }

  /// A new gradient for a parameter, or null when none is wanted.
  float* parameter_gradient(size_t index) {
    if (!request_.parameters[index]) return nullptr;
    result_.parameters[index] = kernels::pooled_empty(a_.parameters[index].sizes(), at::kFloat);
    return result_.parameters[index].mutable_data_ptr<float>();
  }

  /// Gradient of the feed-forward part's input sum, post-norm: through LayerNorm, both linears and the
  /// residual.
  at::Tensor feed_forward_post_norm(const RowView& arriving) {
    const auto output_sum = layer_norm(arriving, s_.output_sum, forward_.kept.query_rows(),
                                       s_.output_norm_mean, s_.output_norm_rstd, kOutputNormWeight, {});
    s_.output_sum.reset();
    feed_forward(rows_of(output_sum), output_sum, /*accumulate=*/true);
    auto hidden = layer_norm(rows_of(output_sum), s_.attention_sum, forward_.kept.query_rows(),
                             s_.attention_norm_mean, s_.attention_norm_rstd, kAttentionNormWeight, {});
    s_.attention_sum.reset();
    return hidden;
  }

  /// The same, pre-norm: both linears, LayerNorm, and the residual around them.
  at::Tensor feed_forward_pre_norm(const RowView& arriving) {
    auto residual = compact(kept_.query_count(), a_.hidden());
    kernels::DropoutForward copy;
    copy.input = arriving;
    copy.output = residual.mutable_data_ptr<float>();
    kernels::dropout_forward(copy, kept_.query_count(), a_.hidden(), *workspace_);
    auto normed = compact(kept_.query_count(), a_.hidden());
    feed_forward(rows_of(residual), normed, /*accumulate=*/false);
    auto hidden = layer_norm(rows_of(normed), s_.attention_sum, forward_.kept.query_rows(),
                             s_.output_norm_mean, s_.output_norm_rstd, kOutputNormWeight, residual);
    s_.attention_sum.reset();
    return hidden;
  }

  /// From the gradient of the feed-forward part's output to that of its input, written or added to `input`.
  void feed_forward(const RowView& arriving, const at::Tensor& input, bool accumulate) {
    const auto fed = through_dropout(arriving, Site::feed_forward_dropout, kOutputBias);
    weight_gradient(TransformerWeight::output, fed, s_.activated, forward_.kept.query_rows(),
                    s_.activated_norm);
    s_.activated.reset();
    CompactGradient activated{compact(kept_.query_count(), a_.intermediate()), kept_.query_norms()};
    kernels::matmul_nn(fed.view(), kept_.query_count(), a_.hidden(), a_.intermediate(),
                       parameter(kOutputWeight), activated.data(), a_.intermediate(), false, *workspace_,
                       gemm());
    activation(activated);
    s_.intermediate.reset();
    weight_gradient(TransformerWeight::intermediate, activated, s_.feed_forward_input,
                    forward_.kept.query_rows(), s_.feed_forward_input_norm);
    s_.feed_forward_input.reset();
    kernels::matmul_nn(activated.view(), kept_.query_count(), a_.intermediate(), a_.hidden(),
                       parameter(kIntermediateWeight), input.mutable_data_ptr<float>(), a_.hidden(),
                       accumulate, *workspace_, gemm());
  }

  void activation(CompactGradient& activated) {
    kernels::ActivationBackward args;
    args.kind = a_.options.activation;
    args.input = rows_of(s_.intermediate, forward_.kept.query_index());
    args.grad = activated.data();
    args.row_norms = activated.row_norms.data();
    args.column_sums = parameter_gradient(kIntermediateBias);
    kernels::activation_backward(args, kept_.query_count(), a_.intermediate(), *workspace_);
  }

  CompactGradient through_dropout(const RowView& arriving, Site site, size_t bias) {
    CompactGradient gradient{compact(kept_.query_count(), a_.hidden()), kept_.query_norms()};
    kernels::DropoutBackward args;
    args.grad_output = arriving;
    args.mask = dropout_of(a_, site, a_.hidden_dropout(site));
    args.mask_rows = kept_.query_source_rows().data();
    args.grad_input = gradient.data();
    args.row_norms = gradient.row_norms.data();
    args.column_sums = parameter_gradient(bias);
    kernels::dropout_backward(args, kept_.query_count(), a_.hidden(), *workspace_);
    return gradient;
  }

  /// @param add compact rows to add to the result (a residual), or undefined.
  at::Tensor layer_norm(const RowView& gradient, const at::Tensor& sum, const std::vector<int64_t>& rows,
                        const at::Tensor& mean, const at::Tensor& rstd, size_t weight,
                        const at::Tensor& add) {
    const auto count = static_cast<int64_t>(rows.size());
    auto result = compact(count, a_.hidden());
    kernels::LayerNormBackward args;
    args.grad_output = gradient;
    args.sum = rows_of(sum, rows.data());
    args.mean = mean.const_data_ptr<float>();
    args.rstd = rstd.const_data_ptr<float>();
    args.gamma = parameter(weight);
    args.add = add.defined() ? add.const_data_ptr<float>() : nullptr;
    args.grad_input = result.mutable_data_ptr<float>();
    args.grad_gamma = parameter_gradient(weight);
    args.grad_beta = parameter_gradient(weight + 1);
    kernels::layer_norm_backward(args, count, a_.hidden(), *workspace_);
    return result;
  }

  AttentionGradients attention(const CompactGradient& attended) {
    auto context = compact(kept_.query_count(), a_.hidden());
    kernels::matmul_nn(attended.view(), kept_.query_count(), a_.hidden(), a_.hidden(),
                       parameter(kAttentionOutputWeight), context.mutable_data_ptr<float>(), a_.hidden(),
                       false, *workspace_, gemm());
    AttentionGradients g{{compact(kept_.query_count(), a_.hidden()), kept_.query_norms()},
                         {compact(kept_.count(), a_.hidden()), kept_.norms()},
                         {compact(kept_.count(), a_.hidden()), kept_.norms()}};
    run_attention_kernel(context, g);
    for (at::Tensor* read : {&s_.query, &s_.key, &s_.value, &s_.context}) read->reset();
    finish_projection(TransformerWeight::query, g.query, kQueryBias);
    finish_projection(TransformerWeight::key, g.key, kKeyBias);
    finish_projection(TransformerWeight::value, g.value, kValueBias);
    return g;
  }

  void run_attention_kernel(const at::Tensor& context, const AttentionGradients& g) {
    const auto shape = attention_of(forward_.arguments, forward_.queries, forward_.source);
    kernels::AttentionBackward args;
    args.inputs = {s_.query.const_data_ptr<float>(), a_.hidden(), s_.key.const_data_ptr<float>(),
                   s_.value.const_data_ptr<float>(), a_.hidden()};
    args.ctx = s_.context.const_data_ptr<float>();
    args.ctx_stride = a_.hidden();
    args.logsumexp = s_.logsumexp.const_data_ptr<float>();
    args.kept = forward_.kept.samples().data();
    args.kept_count = static_cast<int64_t>(forward_.kept.samples().size());
    args.grad_ctx = context.const_data_ptr<float>();
    args.grad_ctx_stride = a_.hidden();
    args.grad_q = g.query.data();
    args.grad_q_stride = a_.hidden();
    args.grad_k = g.key.data();
    args.grad_v = g.value.data();
    args.grad_kv_stride = a_.hidden();
    kernels::attention_backward(shape, args, *workspace_);
  }

  void finish_projection(TransformerWeight which, CompactGradient& gradient, size_t bias) {
    kernels::reduce_rows(gradient.view(), gradient.value.size(0), a_.hidden(), gradient.row_norms.data(),
                         parameter_gradient(bias), *workspace_);
    const bool queries = runs_on_query_rows(static_cast<int64_t>(which));
    const auto& rows = queries ? forward_.kept.query_source_rows() : forward_.kept.rows();
    weight_gradient(which, gradient, s_.attention_input, rows, attention_input_norm());
  }

  /// Norms of the rows that query, key and value share, float64; undefined when nothing is sampled.
  const at::Tensor& attention_input_norm() {
    if (!attention_input_norm_.defined() && (request_.row_scores || draws_rows_of_attention_input())) {
      attention_input_norm_ = kernels::pooled_empty({forward_.arguments.rows()}, at::kDouble);
      kernels::reduce_rows(rows_of(s_.attention_input), forward_.arguments.rows(), a_.hidden(),
                           attention_input_norm_.mutable_data_ptr<double>(), nullptr, *workspace_);
    }
    return attention_input_norm_;
  }

  bool draws_rows_of_attention_input() const {
    for (const auto which : {TransformerWeight::query, TransformerWeight::key, TransformerWeight::value}) {
      const auto index = static_cast<int64_t>(which);
      const int64_t rows = runs_on_query_rows(index) ? kept_.query_count() : kept_.count();
      if (weight_row_count(request_.plan, index, rows) < rows) return true;
    }
    return false;
  }

  /// SampleW: which of the compact rows enter the weight's gradient, and the product over them.
  /// @param input [*, K] saved input of the linear. @param rows its row for each compact row.
  /// @param input_norms norm of every row of input, or undefined: computed here for the rows that matter.
  void weight_gradient(TransformerWeight which, const CompactGradient& gradient, const at::Tensor& input,
                       const std::vector<int64_t>& rows, const at::Tensor& input_norms) {
    const auto index = static_cast<int64_t>(which);
    SampledWeightGradient sampled;
    sampled.plan = &request_.plan;
    sampled.index = index;
    sampled.gradient = gradient.view();
    sampled.gradient_norms = gradient.row_norms;
    sampled.input = rows_of(input, rows.data());
    if (input_norms.defined()) sampled.input_norms = input_norms.const_data_ptr<double>();
    sampled.result = parameter_gradient(kWeightParameter[index]);
    sampled.output_size = gradient.value.size(1);
    sampled.input_size = input.size(1);
    sampled.want_scores = request_.row_scores;
    sampled.precision = a_.options.precision;
    const auto outcome = sample_weight_gradient(sampled, *workspace_);
    weight_rows_[index] = static_cast<double>(outcome.rows);
    if (!request_.row_scores) return;
    const auto& home = runs_on_query_rows(index) ? kept_.query_rows() : kept_.rows();
    auto* scores = result_.statistics.row_scores.mutable_data_ptr<double>() + first_score(a_, index);
    for (size_t i = 0; i < home.size(); ++i) scores[home[i]] = outcome.scores[i];
  }

  /// dX of the block, back in the batch: the projections' input gradients and the residual, zero where
  /// nothing was kept.
  at::Tensor input_gradient(const AttentionGradients& inner, const at::Tensor& residual) {
    const bool pre_norm = a_.options.pre_norm, some = !kept_.all_queries();
    // Every row is a query row: the residual is where the projections' gradients are summed up (post-norm).
    auto all = !some && !pre_norm ? residual : compact(kept_.count(), a_.hidden());
    auto queries = some ? (pre_norm ? compact(kept_.query_count(), a_.hidden()) : residual) : all;
    project_back(inner.query, kQueryWeight, queries, /*accumulate=*/!pre_norm);
    project_back(inner.key, kKeyWeight, all, /*accumulate=*/!some);
    project_back(inner.value, kValueWeight, all, /*accumulate=*/true);
    if (some) add_to_query_rows(queries, all);
    if (pre_norm) {
      all = layer_norm(rows_of(all), forward_.arguments.x, forward_.kept.rows(), s_.attention_norm_mean,
                       s_.attention_norm_rstd, kAttentionNormWeight, some ? at::Tensor() : residual);
      if (some) add_to_query_rows(residual, all);
    }
    return kept_.is_everything() ? all : scatter_rows(kept_, all, a_.rows());
  }

  void project_back(const CompactGradient& gradient, size_t weight, const at::Tensor& result,
                    bool accumulate) {
    kernels::matmul_nn(gradient.view(), gradient.value.size(0), a_.hidden(), a_.hidden(), parameter(weight),
                       result.mutable_data_ptr<float>(), a_.hidden(), accumulate, *workspace_, gemm());
  }

  void add_to_query_rows(const at::Tensor& queries, const at::Tensor& all) const {
    for (int64_t i = 0; i < kept_.query_count(); ++i) {
      const float* from = queries.const_data_ptr<float>() + i * a_.hidden();
      float* to = all.mutable_data_ptr<float>() + kept_.query_compact_rows()[i] * a_.hidden();
      for (int64_t c = 0; c < a_.hidden(); ++c) to[c] += from[c];
    }
  }

  void count_flops() {
    result_.statistics.flops = flops_tensor(transformer_layer_backward_flops(
        kept_.work(), {weight_rows_.begin(), weight_rows_.end()}, a_.hidden(), a_.intermediate(),
        transformer_layer_backward_kind(/*has_kernels=*/true, a_.options)));
  }

  const TransformerLayerArguments& a_;
  const ForwardToRead forward_;
  SavedActivations s_;
  const TransformerLayerRequest& request_;
  const KeptRows& kept_;
  TransformerLayerGradients result_;
  std::array<double, kTransformerWeights> weight_rows_{};
  at::Tensor attention_input_norm_;
  const kernels::WorkspaceLease workspace_ = kernels::lease_workspace();
};

/// ‖G_l[i]‖ of every sample, from the gradient that arrives. @return [N] float64.
at::Tensor norms_of_samples(const at::Tensor& gradient, const QueryRows& queries) {
  const auto workspace = kernels::lease_workspace();
  auto row_norms = kernels::pooled_empty({gradient.size(0)}, at::kDouble);
  kernels::reduce_rows(rows_of(gradient), gradient.size(0), gradient.size(1),
                       row_norms.mutable_data_ptr<double>(), nullptr, *workspace);
  return norms_over_queries(row_norms, queries);
}

/// Without a query row among what is kept (a bernoulli draw may keep no sample at all) every gradient is
/// zero.
TransformerLayerGradients nothing_kept(const TransformerLayerArguments& a,
                                       const TransformerLayerRequest& request) {
  TransformerLayerGradients result;
  result.input = kernels::pooled_zeros(a.x.sizes(), at::kFloat);
  for (size_t i = 0; i < kTransformerParameters; ++i)
    result.parameters.push_back(
        request.parameters[i] ? kernels::pooled_zeros(a.parameters[i].sizes(), at::kFloat) : at::Tensor());
  result.statistics.row_scores = kernels::pooled_zeros({score_count(a)}, at::kDouble);
  result.statistics.flops = flops_tensor(0);
  return result;
}

/// The backward pass over a forward pass that runs once more, on the kept samples alone.
TransformerLayerGradients backward_recomputed(const at::Tensor& gradient,
                                              const TransformerLayerArguments& arguments,
                                              const TransformerLayerRequest& request, const KeptRows& kept) {
  const auto batch = batch_of_samples(kept, arguments);
  const QueryRows queries(batch.offsets, batch.query_rows);
  const KeptRows all(batch.offsets, queries, batch.options.causal);
  auto saved = SavedActivations::from_list(
      transformer_layer_forward_cpu(batch, ForwardPurpose::backward, &kept).saved);
  return CpuBackward(arguments, {batch, queries, all, &kept}, std::move(saved), request, kept).run(gradient);
}

TransformerLayerGradients backward_kept(const at::Tensor& gradient,
                                        const TransformerLayerArguments& arguments,
                                        const std::vector<at::Tensor>& saved,
                                        const TransformerLayerRequest& request, const QueryRows& queries,
                                        const KeptRows& kept) {
  if (kept.query_count() == 0) return nothing_kept(arguments, request);
  if (arguments.options.recompute) return backward_recomputed(gradient, arguments, request, kept);
  return CpuBackward(arguments, {arguments, queries, kept, nullptr}, SavedActivations::from_list(saved),
                     request, kept)
      .run(gradient);
}

}  // namespace

TransformerLayerGradients transformer_layer_backward_cpu(const at::Tensor& gradient,
                                                         const TransformerLayerArguments& arguments,
                                                         const std::vector<at::Tensor>& saved,
                                                         const TransformerLayerRequest& request) {
  const QueryRows queries(arguments.offsets, arguments.query_rows);
  const auto norms = norms_of_samples(gradient, queries);
  const bool causal = arguments.options.causal;
  const auto kept = request.plan.sampled ? KeptRows(norms, request.plan, arguments.offsets, queries, causal)
                                         : KeptRows(arguments.offsets, queries, causal);
  auto result = backward_kept(gradient, arguments, saved, request, queries, kept);
  result.statistics.sample_norms = norms;
  return result;
}

}  // namespace vcas::ops
