#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "vcas/ops/transformer_layer.h"
#include "vcas/sampling/plan.h"

namespace vcas::ops {

/// Index of each parameter in the operator's list (transformer_layer.h, kTransformerParameters).
enum TransformerParameter : size_t {
  kQueryWeight,
  kQueryBias,
  kKeyWeight,
  kKeyBias,
  kValueWeight,
  kValueBias,
  kAttentionOutputWeight,
  kAttentionOutputBias,
  kAttentionNormWeight,
  kAttentionNormBias,
  kIntermediateWeight,
  kIntermediateBias,
  kOutputWeight,
  kOutputBias,
  kOutputNormWeight,
  kOutputNormBias,
};

/// What forward and backward of a block have in common.
struct TransformerLayerArguments {
  at::Tensor x;           ///< [R, H]
  at::Tensor offsets;     ///< [N+1] int64 CPU
  at::Tensor query_rows;  ///< [Q] int64 CPU, or undefined: all rows
  std::vector<at::Tensor> parameters;
  at::Tensor rng;
  TransformerLayerOptions options;

  int64_t samples() const { return offsets.numel() - 1; }
  int64_t rows() const { return x.size(0); }
  int64_t hidden() const { return x.size(1); }
  int64_t intermediate() const { return parameters[kIntermediateWeight].size(0); }
  /// Rows that a weight runs on.
  int64_t rows_of(int64_t weight) const { return runs_on_query_rows(weight) ? output_rows() : rows(); }
  int64_t output_rows() const { return query_rows.defined() ? query_rows.numel() : rows(); }
  /// The dropout probability after the attention output or the feed-forward output.
  double hidden_dropout(sampling::Site site) const {
    const bool off = site == sampling::Site::attention_output_dropout && !options.attention_output_dropout;
    return off ? 0.0 : options.hidden_dropout;
  }
};

/// Which gradients and statistics a backward pass shall give.
struct TransformerLayerRequest {
  sampling::BlockPlan plan;
  bool input = true;
  std::array<bool, kTransformerParameters> parameters{};
  bool row_scores = false;
};

struct TransformerLayerGradients {
  at::Tensor input;                    ///< [R, H], zero in the rows of samples that were not kept
  std::vector<at::Tensor> parameters;  ///< undefined where not wanted
  TransformerLayerStatistics statistics;
};

/// What a block computes on, for counting: rows and pairs of (query, key) rows that attend to each other.
struct TransformerLayerWork {
  double rows = 0;        ///< rows of keys and values
  double query_rows = 0;  ///< rows of everything else
  double pairs = 0;
  /// Rows that a weight runs on.
  double rows_of(int64_t weight) const { return runs_on_query_rows(weight) ? query_rows : rows; }
};

/// What a backward pass of a block runs besides the products of gradients, for counting.
enum class TransformerLayerBackward {
  from_saved,  ///< attention's scores once more
  recomputed,  ///< the forward of the kept samples, and attention's scores once more
  /// The same without the output linear, which only the output of a pre-norm block needs.
  recomputed_but_output,
  plain  ///< the forward of the kept samples, by operations that save everything
};
TransformerLayerBackward transformer_layer_backward_kind(bool has_kernels,
                                                         const TransformerLayerOptions& options);

/// Floating point operations (a multiply-add is two) of the block's GEMMs and attention products.
double transformer_layer_forward_flops(const TransformerLayerWork& work, int64_t hidden,
                                       int64_t intermediate);
/// @param weight_rows rows that enter each weight's gradient, 0 for a frozen one.
double transformer_layer_backward_flops(const TransformerLayerWork& kept,
                                        const std::vector<double>& weight_rows, int64_t hidden,
                                        int64_t intermediate, TransformerLayerBackward kind);
/// The same as a backward pass reports it: [1] float64 on the CPU.
at::Tensor flops_tensor(double flops);

class QueryRows;
/// Norms of samples from those of their query rows. @param row_norms [Q] float64. @return [N].
at::Tensor norms_over_queries(const at::Tensor& row_norms, const QueryRows& queries);

/// Length of the row scores (TransformerLayerStatistics), and where those of a weight begin in them.
int64_t first_score(const TransformerLayerArguments& arguments, int64_t weight);
inline int64_t score_count(const TransformerLayerArguments& arguments) {
  return first_score(arguments, kTransformerWeights);
}

/// The plain implementation: ordinary differentiable operations; its backward recomputes the kept samples.
at::Tensor transformer_layer_forward_plain(const TransformerLayerArguments& arguments);
TransformerLayerGradients transformer_layer_backward_plain(const at::Tensor& gradient,
                                                           const TransformerLayerArguments& arguments,
                                                           const TransformerLayerRequest& request);

/// Whether the CPU kernels can run this call (float32, contiguous, CPU); otherwise the plain implementation
/// does.
bool transformer_layer_has_kernels(const TransformerLayerArguments& arguments);

/// Output and what the backward pass needs of the forward.
struct TransformerLayerSaved {
  at::Tensor output;
  std::vector<at::Tensor> saved;
};
enum class ForwardPurpose {
  output,   ///< nothing is saved
  both,     ///< what the backward pass reads is saved
  backward  ///< once more, for the backward pass alone: with pre_norm there is no output
};
class KeptRows;
/// @param source what of a larger batch the arguments hold, in this order: dropout is keyed by the rows
/// there. Null: they hold a whole batch.
TransformerLayerSaved transformer_layer_forward_cpu(const TransformerLayerArguments& arguments,
                                                    ForwardPurpose purpose, const KeptRows* source = nullptr);
/// @param saved empty with TransformerLayerOptions::recompute.
TransformerLayerGradients transformer_layer_backward_cpu(const at::Tensor& gradient,
                                                         const TransformerLayerArguments& arguments,
                                                         const std::vector<at::Tensor>& saved,
                                                         const TransformerLayerRequest& request);

}  // namespace vcas::ops
