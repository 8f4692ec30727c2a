#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>
#include <vector>

#include "arguments.h"

namespace vcas::ops {

using OptionalTensor = std::optional<at::Tensor>;

/// The arguments of a call, as the implementations below autograd read them: query rows that are all rows
/// count as none given.
/// @throws c10::Error "transformer_layer: expected ..., got ...". Reads the offsets and the query rows.
TransformerLayerArguments checked_arguments(const at::Tensor& x, const at::Tensor& offsets,
                                            const OptionalTensor& query_rows, at::TensorList parameters,
                                            const at::Tensor& rng, std::string_view options);

/// The two passes of a block through PyTorch's dispatcher, below its autograd: operators of their own
/// (vcas::transformer_layer_forward, vcas::transformer_layer_backward), so that torch.compile sees both. On
/// the CPU they run the kernels, or the plain implementation where those do not apply; elsewhere the plain
/// one. Saved activations that a pass does not have, or that are x itself, are [0] there; the plain
/// implementation saves nothing.
TransformerLayerSaved call_transformer_layer_forward(const TransformerLayerArguments& arguments);
/// @param plan undefined: exact; request.plan is not read.
/// Gradients and statistics that are not wanted come back undefined.
TransformerLayerGradients call_transformer_layer_backward(const at::Tensor& gradient,
                                                          const TransformerLayerArguments& arguments,
                                                          const std::vector<at::Tensor>& saved,
                                                          const at::Tensor& plan,
                                                          const TransformerLayerRequest& request);

}  // namespace vcas::ops
