#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "vcas/ops/encoder_layer.h"
#include "vcas/sampling/plan.h"

namespace vcas::ops {

/// Index of each parameter in the operator's list (encoder_layer.h, kEncoderParameters).
enum EncoderParameter : size_t {
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
struct EncoderLayerArguments {
  at::Tensor x;        ///< [R, H]
  at::Tensor offsets;  ///< [N+1] int64 CPU
  std::vector<at::Tensor> parameters;
  at::Tensor rng;
  EncoderLayerOptions options;

  int64_t samples() const { return offsets.numel() - 1; }
  int64_t rows() const { return x.size(0); }
  int64_t hidden() const { return x.size(1); }
  int64_t intermediate() const { return parameters[kIntermediateWeight].size(0); }
  int64_t output_rows() const { return options.first_row_only ? samples() : rows(); }
  /// The dropout probability after the attention output or the feed-forward output.
  double hidden_dropout(sampling::Site site) const {
    const bool off = site == sampling::Site::attention_output_dropout && !options.attention_output_dropout;
    return off ? 0.0 : options.hidden_dropout;
  }
};

/// Which gradients and statistics a backward pass shall give.
struct EncoderLayerRequest {
  sampling::BlockPlan plan;
  bool input = true;
  std::array<bool, kEncoderParameters> parameters{};
  bool row_scores = false;
};

struct EncoderLayerGradients {
  at::Tensor input;                    ///< [R, H], zero in the rows of samples that were not kept
  std::vector<at::Tensor> parameters;  ///< undefined where not wanted
  sampling::SamplingStats stats;
};

/// The plain implementation: ordinary differentiable operations; its backward recomputes the kept samples.
at::Tensor encoder_layer_forward_plain(const EncoderLayerArguments& arguments);
EncoderLayerGradients encoder_layer_backward_plain(const at::Tensor& gradient,
                                                   const EncoderLayerArguments& arguments,
                                                   const EncoderLayerRequest& request);

/// Whether the CPU kernels can run this call (float32, contiguous, CPU); otherwise the plain implementation
/// does.
bool encoder_layer_has_kernels(const EncoderLayerArguments& arguments);

/// Output and what the backward pass needs of the forward.
struct EncoderLayerSaved {
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
EncoderLayerSaved encoder_layer_forward_cpu(const EncoderLayerArguments& arguments, ForwardPurpose purpose,
                                            const KeptRows* source = nullptr);
/// @param saved empty with EncoderLayerOptions::recompute.
EncoderLayerGradients encoder_layer_backward_cpu(const at::Tensor& gradient,
                                                 const EncoderLayerArguments& arguments,
                                                 const std::vector<at::Tensor>& saved,
                                                 const EncoderLayerRequest& request);

}  // namespace vcas::ops
