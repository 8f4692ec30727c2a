#include "passes.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <tuple>
#include <utility>

#include "ops/autograd_edges.h"

namespace vcas::ops {
namespace {

using Saved = std::tuple<at::Tensor, std::vector<at::Tensor>>;

constexpr size_t kAttentionInput = 0, kOutputSum = 14;  // of SavedActivations::list()
constexpr int64_t kInputBit = 0, kParameterBit = 1, kRowScoresBit = kParameterBit + kTransformerParameters;

TransformerLayerRequest request_from(int64_t wanted) {
  const auto bit = [&](int64_t i) { return ((wanted >> i) & 1) != 0; };
  TransformerLayerRequest request;
  request.input = bit(kInputBit);
  for (int64_t i = 0; i < kTransformerParameters; ++i)
    request.parameters[static_cast<size_t>(i)] = bit(kParameterBit + i);
  request.row_scores = bit(kRowScoresBit);
  return request;
}

int64_t bits_of(const TransformerLayerRequest& request) {
  int64_t bits = int64_t{request.input} << kInputBit | int64_t{request.row_scores} << kRowScoresBit;
  for (int64_t i = 0; i < kTransformerParameters; ++i)
    bits |= int64_t{request.parameters[static_cast<size_t>(i)]} << (kParameterBit + i);
  return bits;
}

Saved forward_cpu(const at::Tensor& x, const at::Tensor& offsets, const OptionalTensor& query_rows,
                  at::TensorList parameters, const at::Tensor& rng, std::string_view options) {
  const auto arguments = checked_arguments(x, offsets, query_rows, parameters, rng, options);
  if (!transformer_layer_has_kernels(arguments)) return {transformer_layer_forward_plain(arguments), {}};
  TORCH_CHECK(!arguments.options.recompute, "transformer_layer_forward: expected recompute=0");
  auto [output, saved] = transformer_layer_forward_cpu(arguments, ForwardPurpose::both);
  // Results of an operator are tensors of its own.
  saved[arguments.options.pre_norm ? kOutputSum : kAttentionInput] = at::empty({0}, x.options());
  return {std::move(output), std::move(saved)};
}

Saved forward_plain(const at::Tensor& x, const at::Tensor& offsets, const OptionalTensor& query_rows,
                    at::TensorList parameters, const at::Tensor& rng, std::string_view options) {
  return {
      transformer_layer_forward_plain(checked_arguments(x, offsets, query_rows, parameters, rng, options)),
      {}};
}

/// Of the kernels, which alone save something.
Saved forward_meta(const at::Tensor& x, const at::Tensor&, const OptionalTensor& query_rows,
                   at::TensorList parameters, const at::Tensor&, std::string_view text) {
  const auto options = TransformerLayerOptions::from_text(text);
  const auto rows = x.sym_size(0), hidden = x.sym_size(1);
  const auto query_count = query_rows.has_value() ? query_rows->sym_size(0) : rows;
  const auto intermediate = parameters[kIntermediateWeight].sym_size(0);
  const auto array = [&](c10::SymIntArrayRef sizes) { return x.new_empty_symint(sizes); };
  const auto norms = [&] { return x.new_empty_symint({query_count}, x.options().dtype(at::kDouble)); };
  const auto matrix = [&] { return array({query_count, hidden}); };
  const bool pre = options.pre_norm;
  const auto normalised = pre ? rows : query_count;  // by the attention part's LayerNorm
  std::vector<at::Tensor> saved{pre ? array({rows, hidden}) : array({0}),
                                array({normalised}),
                                array({normalised}),
                                matrix(),
                                array({rows, hidden}),
                                array({rows, hidden}),
                                matrix(),
                                array({query_count, options.num_heads}),
                                matrix(),
                                matrix(),
                                norms(),
                                array({query_count, intermediate}),
                                array({query_count, intermediate}),
                                norms(),
                                pre ? array({0}) : matrix(),
                                array({query_count}),
                                array({query_count})};
  return {matrix(), std::move(saved)};
}

/// Gradients of x and the parameters, then the statistics; [0] what is not wanted.
std::vector<at::Tensor> listed(TransformerLayerGradients result, const TransformerLayerRequest& request,
                               const at::Tensor& x) {
  std::vector<at::Tensor> list{std::move(result.input)};
  for (auto& parameter : result.parameters) list.push_back(std::move(parameter));
  list.push_back(std::move(result.statistics.sample_norms));
  list.push_back(request.row_scores ? std::move(result.statistics.row_scores) : at::Tensor());
  list.push_back(std::move(result.statistics.flops));
  for (auto& tensor : list)
    if (!tensor.defined()) tensor = at::empty({0}, x.options());
  return list;
}

TransformerLayerRequest request_from(int64_t wanted, const OptionalTensor& plan) {
  auto request = request_from(wanted);
  if (plan.has_value()) request.plan = sampling::read_plan(*plan);
  return request;
}

std::vector<at::Tensor> backward_plain(const at::Tensor& gradient, const at::Tensor& x,
                                       const at::Tensor& offsets, const OptionalTensor& query_rows,
                                       at::TensorList parameters, at::TensorList, const at::Tensor& rng,
                                       const OptionalTensor& plan, int64_t wanted, std::string_view options) {
  const auto arguments = checked_arguments(x, offsets, query_rows, parameters, rng, options);
  const auto request = request_from(wanted, plan);
  return listed(transformer_layer_backward_plain(gradient, arguments, request), request, x);
}

std::vector<at::Tensor> backward_cpu(const at::Tensor& gradient, const at::Tensor& x,
                                     const at::Tensor& offsets, const OptionalTensor& query_rows,
                                     at::TensorList parameters, at::TensorList saved, const at::Tensor& rng,
                                     const OptionalTensor& plan, int64_t wanted, std::string_view options) {
  const auto arguments = checked_arguments(x, offsets, query_rows, parameters, rng, options);
  const auto request = request_from(wanted, plan);
  if (!transformer_layer_has_kernels(arguments))
    return listed(transformer_layer_backward_plain(gradient, arguments, request), request, x);
  auto activations = saved.vec();
  if (!activations.empty() && !arguments.options.pre_norm) activations[kAttentionInput] = x;
  return listed(transformer_layer_backward_cpu(gradient.contiguous(), arguments, activations, request),
                request, x);
}

std::vector<at::Tensor> backward_meta(const at::Tensor&, const at::Tensor& x, const at::Tensor& offsets,
                                      const OptionalTensor& query_rows, at::TensorList parameters,
                                      at::TensorList, const at::Tensor&, const OptionalTensor&,
                                      int64_t wanted, std::string_view) {
  const auto request = request_from(wanted);
  const auto like = [&](const at::Tensor& t, bool is_wanted) {
    return is_wanted ? at::empty_like(t, at::MemoryFormat::Contiguous) : x.new_empty({0});
  };
  const auto numbers = x.options().dtype(at::kDouble);
  const auto rows = x.sym_size(0), queries = query_rows.has_value() ? query_rows->sym_size(0) : rows;
  c10::SymInt scores = 0;
  for (int64_t i = 0; i < kTransformerWeights; ++i) scores += runs_on_query_rows(i) ? queries : rows;
  std::vector<at::Tensor> list{like(x, request.input)};
  for (size_t i = 0; i < parameters.size(); ++i) list.push_back(like(parameters[i], request.parameters[i]));
  list.push_back(x.new_empty_symint({offsets.sym_size(0) - 1}, numbers));
  list.push_back(request.row_scores ? x.new_empty_symint({scores}, numbers) : x.new_empty({0}));
  list.push_back(x.new_empty({1}, numbers));
  return list;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(vcas, library) {
  library.def(
      "transformer_layer_forward(Tensor x, Tensor offsets, Tensor? query_rows, Tensor[] parameters, Tensor "
      "rng, str options) -> (Tensor, Tensor[])");
  library.def(
      "transformer_layer_backward(Tensor gradient, Tensor x, Tensor offsets, Tensor? query_rows, Tensor[] "
      "parameters, Tensor[] saved, Tensor rng, Tensor? plan, int wanted, str options) -> Tensor[]");
}
TORCH_LIBRARY_IMPL(vcas, CPU, library) {
  library.impl("transformer_layer_forward", forward_cpu);
  library.impl("transformer_layer_backward", backward_cpu);
}
TORCH_LIBRARY_IMPL(vcas, CompositeExplicitAutograd, library) {
  library.impl("transformer_layer_forward", forward_plain);
  library.impl("transformer_layer_backward", backward_plain);
}
TORCH_LIBRARY_IMPL(vcas, Meta, library) {
  library.impl("transformer_layer_forward", forward_meta);
  library.impl("transformer_layer_backward", backward_meta);
}

TransformerLayerSaved call_transformer_layer_forward(const TransformerLayerArguments& a) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vcas::transformer_layer_forward", "")
                             .typed<decltype(forward_cpu)>();
  auto [output, saved] =
      op.call(a.x, a.offsets, optional(a.query_rows), a.parameters, a.rng, a.options.to_text());
  return {std::move(output), std::move(saved)};
}

TransformerLayerGradients call_transformer_layer_backward(const at::Tensor& gradient,
                                                          const TransformerLayerArguments& a,
                                                          const std::vector<at::Tensor>& saved,
                                                          const at::Tensor& plan,
                                                          const TransformerLayerRequest& request) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vcas::transformer_layer_backward", "")
                             .typed<decltype(backward_cpu)>();
  auto list = op.call(gradient, a.x, a.offsets, optional(a.query_rows), a.parameters, saved, a.rng,
                      optional(plan), bits_of(request), a.options.to_text());
  TransformerLayerGradients result;
  auto next = list.begin();
  const auto take = [&](bool wanted) { return wanted ? std::move(*next++) : (++next, at::Tensor()); };
  result.input = take(request.input);
  for (const bool wanted : request.parameters) result.parameters.push_back(take(wanted));
  result.statistics = {take(true), take(request.row_scores), take(true)};
  return result;
}

}  // namespace vcas::ops
