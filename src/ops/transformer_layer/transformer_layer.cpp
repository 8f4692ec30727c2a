#include "vcas/ops/transformer_layer.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <utility>

#include "ops/autograd_edges.h"
#include "passes.h"

namespace vcas::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The public operator through the dispatcher.
at::Tensor call(const TransformerLayerArguments& arguments, const OptionalTensor& plan,
                const OptionalTensor& sample_norms, const OptionalTensor& row_scores,
                const OptionalTensor& flops);

void save(AutogradContext* context, const TransformerLayerArguments& a, const OptionalTensor& plan,
          int64_t present, std::vector<at::Tensor> activations) {
  variable_list saved{a.x};
  saved.insert(saved.end(), a.parameters.begin(), a.parameters.end());
  saved.insert(saved.end(), activations.begin(), activations.end());
  context->save_for_backward(std::move(saved));
  auto& data = context->saved_data;
  data["offsets"] = a.offsets;
  // The dropout stream of this forward pass, whatever the caller's tensor holds later.
  data["rng"] = a.rng.clone();
  // Not a saved variable: the next pass's numbers are written into it before each backward.
  data["plan"] = plan.value_or(at::Tensor());
  data["present"] = present;
  data["query_rows"] = a.query_rows;
  data["options"] = a.options.to_text();
}

TransformerLayerArguments restore(AutogradContext* context, std::vector<at::Tensor>& activations) {
  const auto saved = context->get_saved_variables();
  auto& data = context->saved_data;
  const auto first_activation = saved.begin() + 1 + kTransformerParameters;
  activations.assign(first_activation, saved.end());
  return {saved[0],
          data["offsets"].toTensor(),
          data["query_rows"].toTensor(),
          {saved.begin() + 1, first_activation},
          data["rng"].toTensor(),
          TransformerLayerOptions::from_text(data["options"].toStringRef())};
}

class TransformerLayer : public torch::autograd::Function<TransformerLayer> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, at::TensorList parameters,
                            const OptionalTensor& plan, const OptionalTensor& sample_norms,
                            const OptionalTensor& row_scores, const OptionalTensor& flops,
                            const TransformerLayerArguments& arguments) {
    at::AutoDispatchBelowADInplaceOrView guard;
    (void)x;
    (void)parameters;
    // Decided here, where a fake tensor still tells its device.
    const bool saves = transformer_layer_has_kernels(arguments) && !arguments.options.recompute;
    auto result = saves ? call_transformer_layer_forward(arguments)
                        : TransformerLayerSaved{call(arguments, plan, sample_norms, row_scores, flops), {}};
    save(context, arguments, plan,
         presence_bits(
             {plan.has_value(), sample_norms.has_value(), row_scores.has_value(), flops.has_value()}),
         std::move(result.saved));
    return result.output;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    std::vector<at::Tensor> activations;
    const auto arguments = restore(context, activations);
    const auto plan = context->saved_data["plan"].toTensor();
    const auto present = context->saved_data["present"].toInt();
    GradientEdges edges(*context);
    TransformerLayerRequest request;
    request.input = edges.next();
    for (auto& wanted : request.parameters) wanted = edges.next();
    edges.next(present & 1);
    const bool want_norms = edges.next(present & 2);
    request.row_scores = edges.next(present & 4);
    const bool want_flops = edges.next(present & 8);

    auto result = call_transformer_layer_backward(gradients[0], arguments, activations, plan, request);
    variable_list outputs{std::move(result.input)};
    for (auto& parameter : result.parameters) outputs.push_back(std::move(parameter));
    outputs.emplace_back();
    outputs.push_back(want_norms ? result.statistics.sample_norms : at::Tensor());
    outputs.push_back(request.row_scores ? result.statistics.row_scores : at::Tensor());
    outputs.push_back(want_flops ? result.statistics.flops : at::Tensor());
    outputs.emplace_back();
    return outputs;
  }
};

at::Tensor transformer_layer_autograd(const at::Tensor& x, const at::Tensor& offsets,
                                      const OptionalTensor& query_rows, at::TensorList parameters,
                                      const at::Tensor& rng, const OptionalTensor& plan,
                                      const OptionalTensor& sample_norms, const OptionalTensor& row_scores,
                                      const OptionalTensor& flops, std::string_view options) {
  const TransformerLayerArguments arguments{x,
                                            offsets,
                                            query_rows.value_or(at::Tensor()),
                                            parameters.vec(),
                                            rng,
                                            TransformerLayerOptions::from_text(options)};
  if (at::GradMode::is_enabled())
    return TransformerLayer::apply(x, parameters, plan, sample_norms, row_scores, flops, arguments);
  at::AutoDispatchBelowADInplaceOrView guard;
  return call(arguments, plan, sample_norms, row_scores, flops);
}

/// Under torch.autocast: parameters and rows in float32, products as autocast's type says.
at::Tensor transformer_layer_autocast(const at::Tensor& x, const at::Tensor& offsets,
                                      const OptionalTensor& query_rows, at::TensorList parameters,
                                      const at::Tensor& rng, const OptionalTensor& plan,
                                      const OptionalTensor& sample_norms, const OptionalTensor& row_scores,
                                      const OptionalTensor& flops, std::string_view text) {
  const auto device = x.device().type();
  c10::impl::ExcludeDispatchKeyGuard guard(at::autocast::get_autocast_dispatch_key_from_device_type(device));
  auto options = TransformerLayerOptions::from_text(text);
  if (at::autocast::get_autocast_dtype(device) == at::kBFloat16) options.precision = Precision::bfloat16;
  std::vector<at::Tensor> casts;
  for (const at::Tensor& parameter : parameters)
    casts.push_back(at::autocast::cached_cast(at::kFloat, parameter, device));
  const TransformerLayerArguments arguments{at::autocast::cached_cast(at::kFloat, x, device),
                                            offsets,
                                            query_rows.value_or(at::Tensor()),
                                            std::move(casts),
                                            rng,
                                            options};
  return call(arguments, plan, sample_norms, row_scores, flops);
}

at::Tensor transformer_layer_cpu(const at::Tensor& x, const at::Tensor& offsets,
                                 const OptionalTensor& query_rows, at::TensorList parameters,
                                 const at::Tensor& rng, const OptionalTensor&, const OptionalTensor&,
                                 const OptionalTensor&, const OptionalTensor&, std::string_view options) {
  const auto arguments = checked_arguments(x, offsets, query_rows, parameters, rng, options);
  if (!transformer_layer_has_kernels(arguments)) return transformer_layer_forward_plain(arguments);
  return transformer_layer_forward_cpu(arguments, ForwardPurpose::output).output;
}

at::Tensor transformer_layer_plain(const at::Tensor& x, const at::Tensor& offsets,
                                   const OptionalTensor& query_rows, at::TensorList parameters,
                                   const at::Tensor& rng, const OptionalTensor&, const OptionalTensor&,
                                   const OptionalTensor&, const OptionalTensor&, std::string_view options) {
  return transformer_layer_forward_plain(checked_arguments(x, offsets, query_rows, parameters, rng, options));
}

at::Tensor transformer_layer_meta(const at::Tensor& x, const at::Tensor&, const OptionalTensor& query_rows,
                                  at::TensorList, const at::Tensor&, const OptionalTensor&,
                                  const OptionalTensor&, const OptionalTensor&, const OptionalTensor&,
                                  std::string_view) {
  return query_rows.has_value() ? x.new_empty_symint({query_rows->sym_size(0), x.sym_size(1)})
                                : at::empty_like(x, at::MemoryFormat::Contiguous);
}

at::Tensor call(const TransformerLayerArguments& a, const OptionalTensor& plan,
                const OptionalTensor& sample_norms, const OptionalTensor& row_scores,
                const OptionalTensor& flops) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vcas::transformer_layer", "")
                             .typed<decltype(transformer_layer_cpu)>();
  return op.call(a.x, a.offsets, optional(a.query_rows), a.parameters, a.rng, plan, sample_norms, row_scores,
                 flops, a.options.to_text());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(vcas, library) {
  library.def(
      "transformer_layer(Tensor x, Tensor offsets, Tensor? query_rows, Tensor[] parameters, Tensor rng, "
      "Tensor? plan, Tensor? sample_norms, Tensor? row_scores, Tensor? flops, str options) -> Tensor");
}
TORCH_LIBRARY_IMPL(vcas, CPU, library) { library.impl("transformer_layer", transformer_layer_cpu); }
TORCH_LIBRARY_IMPL(vcas, CompositeExplicitAutograd, library) {
  library.impl("transformer_layer", transformer_layer_plain);
}
TORCH_LIBRARY_IMPL(vcas, Autograd, library) { library.impl("transformer_layer", transformer_layer_autograd); }
TORCH_LIBRARY_IMPL(vcas, AutocastCPU, library) {
  library.impl("transformer_layer", transformer_layer_autocast);
}
TORCH_LIBRARY_IMPL(vcas, AutocastCUDA, library) {
  library.impl("transformer_layer", transformer_layer_autocast);
}
TORCH_LIBRARY_IMPL(vcas, Meta, library) { library.impl("transformer_layer", transformer_layer_meta); }

at::Tensor transformer_layer(const at::Tensor& x, const at::Tensor& offsets, const at::Tensor& query_rows,
                             const std::vector<at::Tensor>& parameters, const at::Tensor& rng,
                             const at::Tensor& plan, const TransformerLayerStatistics& statistics,
                             const TransformerLayerOptions& options) {
  return call({x, offsets, query_rows, parameters, rng, options}, optional(plan),
              optional(statistics.sample_norms), optional(statistics.row_scores), optional(statistics.flops));
}

}  // namespace vcas::ops
