#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "arguments.h"
#include "ops/autograd_edges.h"

namespace vcas::ops {

/// The operator's options as schemas pass them: numbers, and flags as the bits of one integer.
struct SchemaOptions {
  int64_t num_heads = 1;
  double layer_norm_eps = 0, hidden_dropout = 0, attention_dropout = 0;
  int64_t flags = 0;

  static SchemaOptions pack(const EncoderLayerOptions& o) {
    return {o.num_heads, o.layer_norm_eps, o.hidden_dropout, o.attention_dropout,
            presence_bits({o.pre_norm, o.causal, o.tanh_gelu, o.first_row_only,
                           o.implementation == Implementation::plain, o.precision == Precision::bfloat16,
                           o.recompute, o.attention_output_dropout})};
  }
  bool flag(int64_t bit) const { return ((flags >> bit) & 1) != 0; }
  EncoderLayerOptions unpack() const {
    return {num_heads,
            layer_norm_eps,
            hidden_dropout,
            attention_dropout,
            flag(0),
            flag(1),
            flag(2),
            flag(3),
            flag(4) ? Implementation::plain : Implementation::automatic,
            precision_of(flag(5)),
            flag(6),
            flag(7)};
  }
};

/// @throws c10::Error "encoder_layer: expected ..., got ...". Reads the offsets.
void check_encoder_layer(const EncoderLayerArguments& arguments);

/// The two passes of a block through PyTorch's dispatcher, below its autograd: operators of their own
/// (vcas::encoder_layer_forward, vcas::encoder_layer_backward), so that torch.compile sees both.
/// Saved activations that a pass does not have, or that are x itself, are [0] there.
EncoderLayerSaved call_encoder_layer_forward(const EncoderLayerArguments& arguments);
/// @param plan undefined: exact; request.plan is not read.
/// Gradients and statistics that are not wanted come back undefined.
EncoderLayerGradients call_encoder_layer_backward(const at::Tensor& gradient,
                                                  const EncoderLayerArguments& arguments,
                                                  const std::vector<at::Tensor>& saved,
                                                  const at::Tensor& plan, const EncoderLayerRequest& request);

}  // namespace vcas::ops
