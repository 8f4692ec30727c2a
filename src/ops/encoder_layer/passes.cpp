#include "passes.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <tuple>
#include <utility>

namespace vcas::ops {
namespace {

using OptionalTensor = std::optional<at::Tensor>;
using Saved = std::tuple<at::Tensor, std::vector<at::Tensor>>;

constexpr size_t kAttentionInput = 0, kOutputSum = 14;  // of SavedActivations::list()
constexpr int64_t kInputBit = 0, kParameterBit = 1, kRowScoresBit = kParameterBit + kEncoderParameters;

EncoderLayerRequest request_from(int64_t wanted) {
  const auto bit = [&](int64_t i) { return ((wanted >> i) & 1) != 0; };
  EncoderLayerRequest request;
  request.input = bit(kInputBit);
  for (int64_t i = 0; i < kEncoderParameters; ++i)
    request.parameters[static_cast<size_t>(i)] = bit(kParameterBit + i);
  request.row_scores = bit(kRowScoresBit);
  return request;
}

int64_t bits_of(const EncoderLayerRequest& request) {
  int64_t bits = int64_t{request.input} << kInputBit | int64_t{request.row_scores} << kRowScoresBit;
  for (int64_t i = 0; i < kEncoderParameters; ++i)
    bits |= int64_t{request.parameters[static_cast<size_t>(i)]} << (kParameterBit + i);
  return bits;
}

Saved forward(const at::Tensor& x, const at::Tensor& offsets, at::TensorList parameters,
              const at::Tensor& rng, int64_t num_heads, double layer_norm_eps, double hidden_dropout,
              double attention_dropout, int64_t flags) {
  const SchemaOptions options{num_heads, layer_norm_eps, hidden_dropout, attention_dropout, flags};
  const EncoderLayerArguments arguments{x, offsets, parameters.vec(), rng, options.unpack()};
  check_encoder_layer(arguments);
  TORCH_CHECK(encoder_layer_has_kernels(arguments) && !arguments.options.recompute,
              "encoder_layer_forward: expected float32 arrays on the CPU, and no recomputation");
  auto [output, saved] = encoder_layer_forward_cpu(arguments, ForwardPurpose::both);
  // Results of an operator are tensors of its own.
  saved[arguments.options.pre_norm ? kOutputSum : kAttentionInput] = at::empty({0}, x.options());
  return {std::move(output), std::move(saved)};
}

Saved forward_meta(const at::Tensor& x, const at::Tensor& offsets, at::TensorList parameters,
                   const at::Tensor&, int64_t num_heads, double, double, double, int64_t flags) {
  const auto options = SchemaOptions{num_heads, 0, 0, 0, flags}.unpack();
  const auto rows = x.sym_size(0), hidden = x.sym_size(1);
  const auto query_rows = options.first_row_only ? offsets.sym_size(0) - 1 : rows;
  const auto intermediate = parameters[kIntermediateWeight].sym_size(0);
  const auto array = [&](c10::SymIntArrayRef sizes) { return x.new_empty_symint(sizes); };
  const auto norms = [&] { return x.new_empty_symint({query_rows}, x.options().dtype(at::kDouble)); };
  const auto matrix = [&] { return array({query_rows, hidden}); };
  const bool pre = options.pre_norm;
  const auto normalised = pre ? rows : query_rows;  // by the attention part's LayerNorm
  std::vector<at::Tensor> saved{pre ? array({rows, hidden}) : array({0}),
                                array({normalised}),
                                array({normalised}),
                                matrix(),
                                array({rows, hidden}),
                                array({rows, hidden}),
                                matrix(),
                                array({query_rows, num_heads}),
                                matrix(),
                                matrix(),
                                norms(),
                                array({query_rows, intermediate}),
                                array({query_rows, intermediate}),
                                norms(),
                                pre ? array({0}) : matrix(),
                                array({query_rows}),
                                array({query_rows})};
  return {matrix(), std::move(saved)};
}

std::vector<at::Tensor> backward(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& offsets,
                                 at::TensorList parameters, at::TensorList saved, const at::Tensor& rng,
                                 const OptionalTensor& plan, int64_t wanted, int64_t num_heads,
                                 double layer_norm_eps, double hidden_dropout, double attention_dropout,
                                 int64_t flags) {
  const SchemaOptions options{num_heads, layer_norm_eps, hidden_dropout, attention_dropout, flags};
  const EncoderLayerArguments arguments{x, offsets, parameters.vec(), rng, options.unpack()};
  auto request = request_from(wanted);
  if (plan.has_value()) request.plan = sampling::read_plan(*plan);
  EncoderLayerGradients result;
  if (encoder_layer_has_kernels(arguments)) {
    auto activations = saved.vec();
    if (!activations.empty() && !arguments.options.pre_norm) activations[kAttentionInput] = x;
    result = encoder_layer_backward_cpu(gradient.contiguous(), arguments, activations, request);
  } else {
    result = encoder_layer_backward_plain(gradient, arguments, request);
  }
  std::vector<at::Tensor> list{std::move(result.input)};
  for (auto& parameter : result.parameters) list.push_back(std::move(parameter));
  list.push_back(std::move(result.stats.sample_norms));
  list.push_back(request.row_scores ? std::move(result.stats.row_scores) : at::Tensor());
  list.push_back(std::move(result.stats.flops));
  for (auto& tensor : list)
    if (!tensor.defined()) tensor = at::empty({0}, x.options());
  return list;
}

std::vector<at::Tensor> backward_meta(const at::Tensor&, const at::Tensor& x, const at::Tensor& offsets,
                                      at::TensorList parameters, at::TensorList, const at::Tensor&,
                                      const OptionalTensor&, int64_t wanted, int64_t, double, double, double,
                                      int64_t) {
  const auto request = request_from(wanted);
  const auto like = [&](const at::Tensor& t, bool is_wanted) {
    return is_wanted ? at::empty_like(t, at::MemoryFormat::Contiguous) : x.new_empty({0});
  };
  const auto numbers = x.options().dtype(at::kDouble);
  std::vector<at::Tensor> list{like(x, request.input)};
  for (size_t i = 0; i < parameters.size(); ++i) list.push_back(like(parameters[i], request.parameters[i]));
  list.push_back(x.new_empty_symint({offsets.sym_size(0) - 1}, numbers));
  list.push_back(request.row_scores ? x.new_empty_symint({kEncoderLinears, x.sym_size(0)}, numbers)
                                    : x.new_empty({0}));
  list.push_back(x.new_empty({1}, numbers));
  return list;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(vcas, library) {
  library.def(
      "encoder_layer_forward(Tensor x, Tensor offsets, Tensor[] parameters, Tensor rng, int num_heads, float "
      "layer_norm_eps, float hidden_dropout, float attention_dropout, int flags) -> (Tensor, Tensor[])");
  library.def(
      "encoder_layer_backward(Tensor gradient, Tensor x, Tensor offsets, Tensor[] parameters, Tensor[] "
      "saved, "
      "Tensor rng, Tensor? plan, int wanted, int num_heads, float layer_norm_eps, float hidden_dropout, "
      "float "
      "attention_dropout, int flags) -> Tensor[]");
}
TORCH_LIBRARY_IMPL(vcas, CompositeExplicitAutograd, library) {
  library.impl("encoder_layer_forward", forward);
  library.impl("encoder_layer_backward", backward);
}
TORCH_LIBRARY_IMPL(vcas, Meta, library) {
  library.impl("encoder_layer_forward", forward_meta);
  library.impl("encoder_layer_backward", backward_meta);
}

EncoderLayerSaved call_encoder_layer_forward(const EncoderLayerArguments& a) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vcas::encoder_layer_forward", "")
                             .typed<decltype(forward)>();
  const auto o = SchemaOptions::pack(a.options);
  auto [output, saved] = op.call(a.x, a.offsets, a.parameters, a.rng, o.num_heads, o.layer_norm_eps,
                                 o.hidden_dropout, o.attention_dropout, o.flags);
  return {std::move(output), std::move(saved)};
}

EncoderLayerGradients call_encoder_layer_backward(const at::Tensor& gradient, const EncoderLayerArguments& a,
                                                  const std::vector<at::Tensor>& saved,
                                                  const at::Tensor& plan,
                                                  const EncoderLayerRequest& request) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vcas::encoder_layer_backward", "")
                             .typed<decltype(backward)>();
  const auto o = SchemaOptions::pack(a.options);
  auto list = op.call(gradient, a.x, a.offsets, a.parameters, saved, a.rng, optional(plan), bits_of(request),
                      o.num_heads, o.layer_norm_eps, o.hidden_dropout, o.attention_dropout, o.flags);
  EncoderLayerGradients result;
  auto next = list.begin();
  const auto take = [&](bool wanted) { return wanted ? std::move(*next++) : (++next, at::Tensor()); };
  result.input = take(request.input);
  for (const bool wanted : request.parameters) result.parameters.push_back(take(wanted));
  result.stats = {take(true), take(request.row_scores), take(true)};
  return result;
}

}  // namespace vcas::ops
