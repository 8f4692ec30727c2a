#include "vcas/ops/linear.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <utility>
#include <vector>

#include "linear_backward.h"
#include "ops/autograd_edges.h"

namespace vcas::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using OptionalTensor = std::optional<at::Tensor>;

void check(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias) {
  TORCH_CHECK(weight.dim() == 2, "linear: expected weight [N, K], got ", weight.sizes());
  TORCH_CHECK(x.dim() == 2 && x.size(1) == weight.size(1), "linear: expected x [R, ", weight.size(1),
              "], got ", x.sizes());
  TORCH_CHECK(!bias.has_value() || bias->sizes() == at::IntArrayRef{weight.size(0)},
              "linear: expected bias [", weight.size(0), "], got ", bias->sizes());
}

at::Tensor affine(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias,
                  Precision precision) {
  const at::Tensor input = rounded_operand(x, precision), transposed = rounded_operand(weight, precision).t();
  return bias.has_value() ? at::addmm(*bias, input, transposed) : at::mm(input, transposed);
}

/// The two passes below autograd, as operators of their own, so that torch.compile sees both.
at::Tensor call(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias,
                const OptionalTensor& plan, const OptionalTensor& row_scores, const OptionalTensor& flops,
                int64_t index, bool plain, bool bf16);
std::vector<at::Tensor> call_backward(const at::Tensor& gradient, const at::Tensor& x,
                                      const at::Tensor& weight, const OptionalTensor& plan, int64_t wanted,
                                      int64_t index, bool plain, bool bf16);

class Linear : public torch::autograd::Function<Linear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const OptionalTensor& bias, const OptionalTensor& plan,
                            const OptionalTensor& row_scores, const OptionalTensor& flops, int64_t index,
                            bool plain, bool bf16) {
    at::AutoDispatchBelowADInplaceOrView guard;
    context->save_for_backward({x, weight});
    // Not a saved variable: the next pass's numbers are written into it before each backward.
    context->saved_data["plan"] = plan.value_or(at::Tensor());
    context->saved_data["index"] = index;
    context->saved_data["plain"] = plain;
    context->saved_data["bf16"] = bf16;
    context->saved_data["present"] =
        presence_bits({bias.has_value(), plan.has_value(), row_scores.has_value(), flops.has_value()});
    return call(x, weight, bias, plan, row_scores, flops, index, plain, bf16);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    auto& data = context->saved_data;
    const auto present = data["present"].toInt();
    GradientEdges edges(*context);
    const bool input = edges.next(), weight = edges.next(), bias = edges.next(present & 1);
    edges.next(present & 2);
    const bool row_scores = edges.next(present & 4), flops = edges.next(present & 8);
    auto list = call_backward(gradients[0], saved[0], saved[1], optional(data["plan"].toTensor()),
                              presence_bits({input, weight, bias, row_scores}), data["index"].toInt(),
                              data["plain"].toBool(), data["bf16"].toBool());
    const auto given = [&](size_t i, bool wanted) { return wanted ? std::move(list.at(i)) : at::Tensor(); };
    return {given(0, input), given(1, weight), given(2, bias), at::Tensor(), given(3, row_scores),
            given(4, flops), at::Tensor(),     at::Tensor(),   at::Tensor()};
  }
};

at::Tensor linear_autograd(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias,
                           const OptionalTensor& plan, const OptionalTensor& row_scores,
                           const OptionalTensor& flops, int64_t index, bool plain, bool bf16) {
  if (at::GradMode::is_enabled())
    return Linear::apply(x, weight, bias, plan, row_scores, flops, index, plain, bf16);
  at::AutoDispatchBelowADInplaceOrView guard;
  return call(x, weight, bias, plan, row_scores, flops, index, plain, bf16);
}

/// Under torch.autocast: float32 operands whose products are rounded as autocast's type says, and a result of
/// that type, as torch.nn.functional.linear gives.
at::Tensor linear_autocast(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias,
                           const OptionalTensor& plan, const OptionalTensor& row_scores,
                           const OptionalTensor& flops, int64_t index, bool plain, bool bf16) {
  const auto device = x.device().type();
  c10::impl::ExcludeDispatchKeyGuard guard(at::autocast::get_autocast_dispatch_key_from_device_type(device));
  const auto type = at::autocast::get_autocast_dtype(device);
  const auto cast = [&](const at::Tensor& t) { return at::autocast::cached_cast(at::kFloat, t, device); };
  const auto result = call(cast(x), cast(weight), bias.has_value() ? std::optional(cast(*bias)) : bias, plan,
                           row_scores, flops, index, plain, bf16 || type == at::kBFloat16);
  return result.scalar_type() == at::kFloat ? result.to(type) : result;
}

/// On the CPU by the kernels where they apply; elsewhere, and where they do not, by ordinary operations.
template <bool kKernels>
at::Tensor linear_output(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias,
                         const OptionalTensor&, const OptionalTensor&, const OptionalTensor&, int64_t,
                         bool plain, bool bf16) {
  check(x, weight, bias);
  if (kKernels && !plain && linear_has_kernels(x, weight))
    return linear_forward_cpu(x, weight, bias.value_or(at::Tensor()), precision_of(bf16));
  return affine(x, weight, bias, precision_of(bf16));
}

at::Tensor linear_meta(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor&,
                       const OptionalTensor&, const OptionalTensor&, const OptionalTensor&, int64_t, bool,
                       bool) {
  return x.new_empty_symint({x.sym_size(0), weight.sym_size(0)});
}

/// Gradients of x, weight and bias, row scores and floating point operations; [0] what is not wanted.
template <bool kKernels>
std::vector<at::Tensor> linear_backward(const at::Tensor& gradient, const at::Tensor& x,
                                        const at::Tensor& weight, const OptionalTensor& plan, int64_t wanted,
                                        int64_t index, bool plain, bool bf16) {
  LinearBackwardRequest request;
  request.index = index;
  request.input = (wanted & 1) != 0;
  request.weight = (wanted & 2) != 0;
  request.bias = (wanted & 4) != 0;
  request.row_scores = (wanted & 8) != 0;
  request.precision = precision_of(bf16);
  if (plan.has_value()) request.plan = sampling::read_plan(*plan);
  auto result = kKernels && !plain && linear_has_kernels(x, weight)
                    ? linear_backward_cpu(gradient.contiguous(), x, weight, request)
                    : linear_backward_plain(gradient, x, weight, request);
  const auto given = [&](bool is_wanted, at::Tensor& t) {
    return is_wanted && t.defined() ? std::move(t) : at::empty({0}, x.options());
  };
  return {given(request.input, result.input), given(request.weight, result.weight),
          given(request.bias, result.bias), given(request.row_scores, result.row_scores),
          at::full({1}, result.flops, at::kDouble)};
}

std::vector<at::Tensor> linear_backward_meta(const at::Tensor&, const at::Tensor& x, const at::Tensor& weight,
                                             const OptionalTensor&, int64_t wanted, int64_t, bool, bool) {
  const auto given = [&](int64_t bit, c10::SymIntArrayRef sizes, at::ScalarType type) {
    return (wanted & bit) != 0 ? x.new_empty_symint(sizes, x.options().dtype(type)) : x.new_empty({0});
  };
  const auto type = x.scalar_type();
  return {given(1, x.sym_sizes(), type), given(2, weight.sym_sizes(), type),
          given(4, {weight.sym_size(0)}, type), given(8, {x.sym_size(0)}, at::kDouble),
          x.new_empty({1}, x.options().dtype(at::kDouble))};
}

at::Tensor call(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias,
                const OptionalTensor& plan, const OptionalTensor& row_scores, const OptionalTensor& flops,
                int64_t index, bool plain, bool bf16) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vcas::linear", "")
                             .typed<decltype(linear_output<true>)>();
  return op.call(x, weight, bias, plan, row_scores, flops, index, plain, bf16);
}

std::vector<at::Tensor> call_backward(const at::Tensor& gradient, const at::Tensor& x,
                                      const at::Tensor& weight, const OptionalTensor& plan, int64_t wanted,
                                      int64_t index, bool plain, bool bf16) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vcas::linear_backward", "")
                             .typed<decltype(linear_backward<true>)>();
  return op.call(gradient, x, weight, plan, wanted, index, plain, bf16);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(vcas, library) {
  library.def(
      "linear(Tensor x, Tensor weight, Tensor? bias, Tensor? plan, Tensor? row_scores, Tensor? flops, int "
      "index, bool plain=False, bool bf16=False) -> Tensor");
  library.def(
      "linear_backward(Tensor gradient, Tensor x, Tensor weight, Tensor? plan, int wanted, int index, bool "
      "plain=False, bool bf16=False) -> Tensor[]");
}
TORCH_LIBRARY_IMPL(vcas, CPU, library) {
  library.impl("linear", linear_output<true>);
  library.impl("linear_backward", linear_backward<true>);
}
TORCH_LIBRARY_IMPL(vcas, CompositeExplicitAutograd, library) {
  library.impl("linear", linear_output<false>);
  library.impl("linear_backward", linear_backward<false>);
}
TORCH_LIBRARY_IMPL(vcas, Autograd, library) { library.impl("linear", linear_autograd); }
TORCH_LIBRARY_IMPL(vcas, AutocastCPU, library) { library.impl("linear", linear_autocast); }
TORCH_LIBRARY_IMPL(vcas, AutocastCUDA, library) { library.impl("linear", linear_autocast); }
TORCH_LIBRARY_IMPL(vcas, Meta, library) {
  library.impl("linear", linear_meta);
  library.impl("linear_backward", linear_backward_meta);
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  const at::Tensor& plan, int64_t index, const LinearStatistics& statistics,
                  Implementation implementation, Precision precision) {
  return call(x, weight, optional(bias), optional(plan), optional(statistics.row_scores),
              optional(statistics.flops), index, implementation == Implementation::plain,
              precision == Precision::bfloat16);
}

}  // namespace vcas::ops
