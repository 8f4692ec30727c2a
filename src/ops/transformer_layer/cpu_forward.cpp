#include <algorithm>
#include <functional>
#include <initializer_list>

#include "arguments.h"
#include "kernel_arguments.h"
#include "ops/kernels/activation.h"
#include "ops/kernels/gemm.h"
#include "ops/kernels/layer_norm.h"
#include "ops/kernels/pooled_tensor.h"
#include "ops/kernels/tensor_rows.h"
#include "sampling/float_array.h"
#include "saved_activations.h"

namespace vcas::ops {
namespace {

using kernels::rows_of;
using sampling::is_float_array;
using sampling::Site;

/// The forward pass of a block as a sequence of kernels; each method is one of them.
class CpuForward {
 public:
  CpuForward(const TransformerLayerArguments& arguments, ForwardPurpose purpose, const KeptRows* source)
      : a_(arguments), purpose_(purpose), source_(source) {}

  TransformerLayerSaved run() {
    const bool pre_norm = a_.options.pre_norm;
    saved_.attention_input = pre_norm ? norm_of_input() : a_.x;
    saved_.query = linear(saved_.attention_input, query_index(), a_.output_rows(), kQueryWeight);
    saved_.key = linear(saved_.attention_input, nullptr, a_.rows(), kKeyWeight);
    saved_.value = linear(saved_.attention_input, nullptr, a_.rows(), kValueWeight);
    attention();
    let_go({saved_.attention_input, saved_.query, saved_.key, saved_.value});
    close_attention(linear(saved_.context, nullptr, a_.output_rows(), kAttentionOutputWeight));
    let_go({saved_.context});
    if (!pre_norm) let_go({saved_.attention_sum});
    saved_.intermediate = linear(saved_.feed_forward_input, nullptr, a_.output_rows(), kIntermediateWeight);
    activate();
    let_go({saved_.intermediate});
    if (pre_norm && purpose_ == ForwardPurpose::backward) return {{}, saved_.list()};
    const auto fed = linear(saved_.activated, nullptr, a_.output_rows(), kOutputWeight);
    let_go({saved_.activated});
    auto output = pre_norm ? add_feed_forward(fed) : close_feed_forward(fed);
    if (purpose_ == ForwardPurpose::output) return {std::move(output), {}};
    return {std::move(output), saved_.list()};
  }

 private:
  /// What no later kernel of this pass reads, and no backward pass.
  void let_go(std::initializer_list<std::reference_wrapper<at::Tensor>> tensors) const {
    if (purpose_ != ForwardPurpose::output) return;
    for (at::Tensor& tensor : tensors) tensor.reset();
  }

  /// Row of the batch behind each query row; null: the same.
  const int64_t* query_index() const { return queries_.rows(); }
  /// Row by which the dropout of each query row is keyed; null: its own number.
  const int64_t* mask_rows() const { return source_ ? source_->query_source_rows().data() : query_index(); }
  const float* parameter(size_t index) const { return a_.parameters[index].const_data_ptr<float>(); }
  at::Tensor matrix(int64_t rows, int64_t columns) const {
    return kernels::pooled_empty({rows, columns}, at::kFloat);
  }
  at::Tensor vector(int64_t rows, at::ScalarType type = at::kFloat) const {
    return kernels::pooled_empty({rows}, type);
  }

  at::Tensor linear(const at::Tensor& input, const int64_t* index, int64_t rows, size_t weight) {
    const auto& w = a_.parameters[weight];
    auto output = matrix(rows, w.size(0));
    kernels::matmul_nt(rows_of(input, index), rows, w.size(0), w.size(1), parameter(weight),
                       parameter(weight + 1), output.mutable_data_ptr<float>(), w.size(0), *workspace_,
                       {a_.options.precision});
    return output;
  }

  kernels::LayerNormForward layer_norm(size_t weight, int64_t rows, at::Tensor& mean,
                                       at::Tensor& rstd) const {
    kernels::LayerNormForward args;
    args.gamma = parameter(weight);
    args.beta = parameter(weight + 1);
    args.epsilon = static_cast<float>(a_.options.layer_norm_eps);
    mean = vector(rows);
    rstd = vector(rows);
    args.mean = mean.mutable_data_ptr<float>();
    args.rstd = rstd.mutable_data_ptr<float>();
    return args;
  }

  at::Tensor norm_of_input() {
    auto args =
        layer_norm(kAttentionNormWeight, a_.rows(), saved_.attention_norm_mean, saved_.attention_norm_rstd);
    auto output = matrix(a_.rows(), a_.hidden());
    args.input = rows_of(a_.x);
    args.output = output.mutable_data_ptr<float>();
    kernels::layer_norm_forward(args, a_.rows(), a_.hidden(), *workspace_);
    return output;
  }

  void attention() {
    saved_.context = matrix(a_.output_rows(), a_.hidden());
    saved_.logsumexp = matrix(a_.output_rows(), a_.options.num_heads);
    const auto shape = attention_of(a_, queries_, source_);
    const kernels::AttentionInputs inputs{saved_.query.const_data_ptr<float>(), a_.hidden(),
                                          saved_.key.const_data_ptr<float>(),
                                          saved_.value.const_data_ptr<float>(), a_.hidden()};
    kernels::attention_forward(shape, inputs, saved_.context.mutable_data_ptr<float>(), a_.hidden(),
                               saved_.logsumexp.mutable_data_ptr<float>(), *workspace_);
  }

  /// sum = x + dropout(attended), then the LayerNorm that feeds the feed-forward part: the attention part's
  /// own (post-norm) or the feed-forward part's (pre-norm).
  void close_attention(const at::Tensor& attended) {
    const bool pre_norm = a_.options.pre_norm;
    auto args = pre_norm ? layer_norm(kOutputNormWeight, a_.output_rows(), saved_.output_norm_mean,
                                      saved_.output_norm_rstd)
                         : layer_norm(kAttentionNormWeight, a_.output_rows(), saved_.attention_norm_mean,
                                      saved_.attention_norm_rstd);
    saved_.attention_sum = matrix(a_.output_rows(), a_.hidden());
    saved_.feed_forward_input = matrix(a_.output_rows(), a_.hidden());
    saved_.feed_forward_input_norm = vector(a_.output_rows(), at::kDouble);
    args.input = rows_of(attended);
    args.residual = rows_of(a_.x, query_index());
    args.dropout =
        dropout_of(a_, Site::attention_output_dropout, a_.hidden_dropout(Site::attention_output_dropout));
    args.mask_rows = mask_rows();
    args.sum = saved_.attention_sum.mutable_data_ptr<float>();
    args.output = saved_.feed_forward_input.mutable_data_ptr<float>();
    args.output_norms = saved_.feed_forward_input_norm.mutable_data_ptr<double>();
    kernels::layer_norm_forward(args, a_.output_rows(), a_.hidden(), *workspace_);
  }

  void activate() {
    saved_.activated = matrix(a_.output_rows(), a_.intermediate());
    saved_.activated_norm = vector(a_.output_rows(), at::kDouble);
    kernels::activation_forward(
        a_.options.activation, rows_of(saved_.intermediate), saved_.activated.mutable_data_ptr<float>(),
        saved_.activated_norm.mutable_data_ptr<double>(), a_.output_rows(), a_.intermediate(), *workspace_);
  }

  /// Post-norm: norm(feed_forward_input + dropout(fed)).
  at::Tensor close_feed_forward(const at::Tensor& fed) {
    auto args =
        layer_norm(kOutputNormWeight, a_.output_rows(), saved_.output_norm_mean, saved_.output_norm_rstd);
    saved_.output_sum = matrix(a_.output_rows(), a_.hidden());
    auto output = matrix(a_.output_rows(), a_.hidden());
    args.input = rows_of(fed);
    args.residual = rows_of(saved_.feed_forward_input);
    args.dropout = dropout_of(a_, Site::feed_forward_dropout, a_.hidden_dropout(Site::feed_forward_dropout));
    args.mask_rows = mask_rows();
    args.sum = saved_.output_sum.mutable_data_ptr<float>();
    args.output = output.mutable_data_ptr<float>();
    kernels::layer_norm_forward(args, a_.output_rows(), a_.hidden(), *workspace_);
    return output;
  }

  /// Pre-norm: attention_sum + dropout(fed), in place of fed.
  at::Tensor add_feed_forward(const at::Tensor& fed) {
    kernels::DropoutForward args;
    args.input = rows_of(fed);
    args.mask = dropout_of(a_, Site::feed_forward_dropout, a_.hidden_dropout(Site::feed_forward_dropout));
    args.mask_rows = mask_rows();
    args.output = fed.mutable_data_ptr<float>();
    kernels::dropout_forward(args, a_.output_rows(), a_.hidden(), *workspace_);
    return fed.add_(saved_.attention_sum);
  }

  const TransformerLayerArguments& a_;
  ForwardPurpose purpose_;
  const KeptRows* source_;
  const QueryRows queries_{a_.offsets, a_.query_rows};
  SavedActivations saved_;
  const kernels::WorkspaceLease workspace_ = kernels::lease_workspace();
};

}  // namespace

bool transformer_layer_has_kernels(const TransformerLayerArguments& arguments) {
  if (arguments.options.implementation == Implementation::plain || !is_float_array(arguments.x)) return false;
  return std::all_of(arguments.parameters.begin(), arguments.parameters.end(), is_float_array);
}

TransformerLayerSaved transformer_layer_forward_cpu(const TransformerLayerArguments& arguments,
                                                    ForwardPurpose purpose, const KeptRows* source) {
  return CpuForward(arguments, purpose, source).run();
}

}  // namespace vcas::ops
