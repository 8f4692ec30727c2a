#include "vcas/ops/encoder_layer.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <utility>

#include "passes.h"

namespace vcas::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using OptionalTensor = std::optional<at::Tensor>;

void check_parameters(const EncoderLayerArguments& a) {
  TORCH_CHECK(a.parameters.size() == static_cast<size_t>(kEncoderParameters), "encoder_layer: expected ",
              kEncoderParameters, " parameters, got ", a.parameters.size());
  const int64_t hidden = a.hidden();
  TORCH_CHECK(a.parameters[kIntermediateWeight].dim() == 2,
              "encoder_layer: expected an intermediate weight [I, ", hidden, "], got ",
              a.parameters[kIntermediateWeight].sizes());
  const int64_t intermediate = a.intermediate();
  for (size_t i = 0; i < a.parameters.size(); ++i) {
    std::vector<int64_t> expected{hidden};
    if (i == kIntermediateWeight) expected = {intermediate, hidden};
    if (i == kIntermediateBias) expected = {intermediate};
    if (i == kOutputWeight) expected = {hidden, intermediate};
    if (i <= kAttentionOutputBias && i % 2 == 0) expected = {hidden, hidden};
    TORCH_CHECK(a.parameters[i].sizes() == expected, "encoder_layer: expected parameter ", i, " ",
                at::IntArrayRef(expected), ", got ", a.parameters[i].sizes());
  }
}

}  // namespace

void check_encoder_layer(const EncoderLayerArguments& a) {
  TORCH_CHECK(a.x.dim() == 2, "encoder_layer: expected x [R, H], got ", a.x.sizes());
  check_parameters(a);
  TORCH_CHECK(a.options.num_heads > 0 && a.hidden() % a.options.num_heads == 0,
              "encoder_layer: expected heads that divide the hidden size ", a.hidden(), ", got ",
              a.options.num_heads);
  for (const double p : {a.options.hidden_dropout, a.options.attention_dropout})
    TORCH_CHECK(p >= 0 && p < 1, "encoder_layer: expected a dropout probability in [0, 1), got ", p);
  TORCH_CHECK(a.offsets.is_cpu() && a.offsets.scalar_type() == at::kLong && a.offsets.is_contiguous() &&
                  a.offsets.dim() == 1 && a.offsets.numel() >= 2,
              "encoder_layer: expected offsets [N+1] int64 on the CPU, got ", a.offsets.scalar_type(), " ",
              a.offsets.sizes(), " on ", a.offsets.device());
  const auto* offsets = a.offsets.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < a.samples(); ++i)
    TORCH_CHECK(offsets[i] < offsets[i + 1], "encoder_layer: expected samples of at least one row, got ",
                offsets[i + 1] - offsets[i], " rows in sample ", i);
  TORCH_CHECK(offsets[0] == 0 && offsets[a.samples()] == a.rows(),
              "encoder_layer: expected offsets from 0 to ", a.rows(), ", got ", offsets[0], " to ",
              offsets[a.samples()]);
}

namespace {

at::Tensor output_of(const EncoderLayerArguments& arguments) {
  if (!encoder_layer_has_kernels(arguments)) return encoder_layer_forward_plain(arguments);
  return encoder_layer_forward_cpu(arguments, ForwardPurpose::output).output;
}

/// What the schema's numbers, in its order, ask for.
EncoderLayerOptions options_of(int64_t num_heads, double layer_norm_eps, double hidden_dropout,
                               double attention_dropout, bool pre_norm, bool causal, bool tanh_gelu,
                               bool first_row_only, bool plain, bool bf16, bool recompute,
                               bool attention_output_dropout) {
  const auto flags = presence_bits(
      {pre_norm, causal, tanh_gelu, first_row_only, plain, bf16, recompute, attention_output_dropout});
  return SchemaOptions{num_heads, layer_norm_eps, hidden_dropout, attention_dropout, flags}.unpack();
}

/// The public operator through the dispatcher.
at::Tensor call(const EncoderLayerArguments& arguments, const OptionalTensor& plan,
                const OptionalTensor& sample_norms, const OptionalTensor& row_scores,
                const OptionalTensor& flops);

void save(AutogradContext* context, const EncoderLayerArguments& a, const OptionalTensor& plan,
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
  const auto o = SchemaOptions::pack(a.options);
  data["num_heads"] = o.num_heads;
  data["layer_norm_eps"] = o.layer_norm_eps;
  data["hidden_dropout"] = o.hidden_dropout;
  data["attention_dropout"] = o.attention_dropout;
  data["flags"] = o.flags;
}

EncoderLayerArguments restore(AutogradContext* context, std::vector<at::Tensor>& activations) {
  const auto saved = context->get_saved_variables();
  auto& data = context->saved_data;
  const SchemaOptions options{data["num_heads"].toInt(), data["layer_norm_eps"].toDouble(),
                              data["hidden_dropout"].toDouble(), data["attention_dropout"].toDouble(),
                              data["flags"].toInt()};
  const auto first_activation = saved.begin() + 1 + kEncoderParameters;
  activations.assign(first_activation, saved.end());
  return {saved[0],
          data["offsets"].toTensor(),
          {saved.begin() + 1, first_activation},
          data["rng"].toTensor(),
          options.unpack()};
}

class EncoderLayer : public torch::autograd::Function<EncoderLayer> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, at::TensorList parameters,
                            const OptionalTensor& plan, const OptionalTensor& sample_norms,
                            const OptionalTensor& row_scores, const OptionalTensor& flops,
                            const EncoderLayerArguments& arguments) {
    at::AutoDispatchBelowADInplaceOrView guard;
    (void)x;
    (void)parameters;
    // Decided here, where a fake tensor still tells its device.
    const bool saves = encoder_layer_has_kernels(arguments) && !arguments.options.recompute;
    auto result = saves ? call_encoder_layer_forward(arguments)
                        : EncoderLayerSaved{call(arguments, plan, sample_norms, row_scores, flops), {}};
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
    EncoderLayerRequest request;
    request.input = edges.next();
    for (auto& wanted : request.parameters) wanted = edges.next();
    edges.next(present & 1);
    const bool want_norms = edges.next(present & 2);
    request.row_scores = edges.next(present & 4);
    const bool want_flops = edges.next(present & 8);

    auto result = call_encoder_layer_backward(gradients[0], arguments, activations, plan, request);
    variable_list outputs{std::move(result.input)};
    for (auto& parameter : result.parameters) outputs.push_back(std::move(parameter));
    outputs.emplace_back();
    outputs.push_back(want_norms ? result.stats.sample_norms : at::Tensor());
    outputs.push_back(request.row_scores ? result.stats.row_scores : at::Tensor());
    outputs.push_back(want_flops ? result.stats.flops : at::Tensor());
    outputs.emplace_back();
    return outputs;
  }
};

at::Tensor encoder_layer_autograd(const at::Tensor& x, const at::Tensor& offsets, at::TensorList parameters,
                                  const at::Tensor& rng, const OptionalTensor& plan,
                                  const OptionalTensor& sample_norms, const OptionalTensor& row_scores,
                                  const OptionalTensor& flops, int64_t num_heads, double layer_norm_eps,
                                  double hidden_dropout, double attention_dropout, bool pre_norm, bool causal,
                                  bool tanh_gelu, bool first_row_only, bool plain, bool bf16, bool recompute,
                                  bool attention_output_dropout) {
  const EncoderLayerArguments arguments{
      x, offsets, parameters.vec(), rng,
      options_of(num_heads, layer_norm_eps, hidden_dropout, attention_dropout, pre_norm, causal, tanh_gelu,
                 first_row_only, plain, bf16, recompute, attention_output_dropout)};
  if (at::GradMode::is_enabled())
    return EncoderLayer::apply(x, parameters, plan, sample_norms, row_scores, flops, arguments);
  at::AutoDispatchBelowADInplaceOrView guard;
  return call(arguments, plan, sample_norms, row_scores, flops);
}

/// Under torch.autocast: parameters and rows in float32, products as autocast's type says.
at::Tensor encoder_layer_autocast(const at::Tensor& x, const at::Tensor& offsets, at::TensorList parameters,
                                  const at::Tensor& rng, const OptionalTensor& plan,
                                  const OptionalTensor& sample_norms, const OptionalTensor& row_scores,
                                  const OptionalTensor& flops, int64_t num_heads, double layer_norm_eps,
                                  double hidden_dropout, double attention_dropout, bool pre_norm, bool causal,
                                  bool tanh_gelu, bool first_row_only, bool plain, bool bf16, bool recompute,
                                  bool attention_output_dropout) {
  const auto device = x.device().type();
  c10::impl::ExcludeDispatchKeyGuard guard(at::autocast::get_autocast_dispatch_key_from_device_type(device));
  const bool rounds = bf16 || at::autocast::get_autocast_dtype(device) == at::kBFloat16;
  std::vector<at::Tensor> casts;
  for (const at::Tensor& parameter : parameters)
    casts.push_back(at::autocast::cached_cast(at::kFloat, parameter, device));
  const EncoderLayerArguments arguments{
      at::autocast::cached_cast(at::kFloat, x, device), offsets, std::move(casts), rng,
      options_of(num_heads, layer_norm_eps, hidden_dropout, attention_dropout, pre_norm, causal, tanh_gelu,
                 first_row_only, plain, rounds, recompute, attention_output_dropout)};
  return call(arguments, plan, sample_norms, row_scores, flops);
}

at::Tensor encoder_layer_output(const at::Tensor& x, const at::Tensor& offsets, at::TensorList parameters,
                                const at::Tensor& rng, const OptionalTensor&, const OptionalTensor&,
                                const OptionalTensor&, const OptionalTensor&, int64_t num_heads,
                                double layer_norm_eps, double hidden_dropout, double attention_dropout,
                                bool pre_norm, bool causal, bool tanh_gelu, bool first_row_only, bool plain,
                                bool bf16, bool recompute, bool attention_output_dropout) {
  const EncoderLayerArguments arguments{
      x, offsets, parameters.vec(), rng,
      options_of(num_heads, layer_norm_eps, hidden_dropout, attention_dropout, pre_norm, causal, tanh_gelu,
                 first_row_only, plain, bf16, recompute, attention_output_dropout)};
  check_encoder_layer(arguments);
  return output_of(arguments);
}

at::Tensor encoder_layer_meta(const at::Tensor& x, const at::Tensor& offsets, at::TensorList,
                              const at::Tensor&, const OptionalTensor&, const OptionalTensor&,
                              const OptionalTensor&, const OptionalTensor&, int64_t, double, double, double,
                              bool, bool, bool, bool first_row_only, bool, bool, bool, bool) {
  return first_row_only ? x.new_empty_symint({offsets.sym_size(0) - 1, x.sym_size(1)})
                        : at::empty_like(x, at::MemoryFormat::Contiguous);
}

at::Tensor call(const EncoderLayerArguments& a, const OptionalTensor& plan,
                const OptionalTensor& sample_norms, const OptionalTensor& row_scores,
                const OptionalTensor& flops) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vcas::encoder_layer", "")
                             .typed<decltype(encoder_layer_output)>();
  const auto& o = a.options;
  return op.call(a.x, a.offsets, a.parameters, a.rng, plan, sample_norms, row_scores, flops, o.num_heads,
                 o.layer_norm_eps, o.hidden_dropout, o.attention_dropout, o.pre_norm, o.causal, o.tanh_gelu,
                 o.first_row_only, o.implementation == Implementation::plain,
                 o.precision == Precision::bfloat16, o.recompute, o.attention_output_dropout);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(vcas, library) {
  library.def(
      "encoder_layer(Tensor x, Tensor offsets, Tensor[] parameters, Tensor rng, Tensor? plan, Tensor? "
      "sample_norms, Tensor? row_scores, Tensor? flops, int num_heads, float layer_norm_eps, float "
      "hidden_dropout, float attention_dropout, bool pre_norm=False, bool causal=False, bool "
      "tanh_gelu=False, bool first_row_only=False, bool plain=False, bool bf16=False, bool "
      "recompute=False, bool attention_output_dropout=True) -> Tensor");
}
TORCH_LIBRARY_IMPL(vcas, CompositeExplicitAutograd, library) {
  library.impl("encoder_layer", encoder_layer_output);
}
TORCH_LIBRARY_IMPL(vcas, Autograd, library) { library.impl("encoder_layer", encoder_layer_autograd); }
TORCH_LIBRARY_IMPL(vcas, AutocastCPU, library) { library.impl("encoder_layer", encoder_layer_autocast); }
TORCH_LIBRARY_IMPL(vcas, AutocastCUDA, library) { library.impl("encoder_layer", encoder_layer_autocast); }
TORCH_LIBRARY_IMPL(vcas, Meta, library) { library.impl("encoder_layer", encoder_layer_meta); }

at::Tensor encoder_layer(const at::Tensor& x, const at::Tensor& offsets,
                         const std::vector<at::Tensor>& parameters, const at::Tensor& rng,
                         const at::Tensor& plan, const EncoderLayerProbes& probes,
                         const EncoderLayerOptions& options) {
  return call({x, offsets, parameters, rng, options}, optional(plan), optional(probes.sample_norms),
              optional(probes.row_scores), optional(probes.flops));
}

}  // namespace vcas::ops
