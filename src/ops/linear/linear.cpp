#include "vcas/ops/linear.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

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

at::Tensor affine(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias, bool plain,
                  Precision precision) {
  if (!plain && linear_has_kernels(x, weight))
    return linear_forward_cpu(x, weight, bias.value_or(at::Tensor()), precision);
  const at::Tensor input = rounded_operand(x, precision), transposed = rounded_operand(weight, precision).t();
  return bias.has_value() ? at::addmm(*bias, input, transposed) : at::mm(input, transposed);
}

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
    return affine(x, weight, bias, plain, precision_of(bf16));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto plan = context->saved_data["plan"].toTensor();
    const auto present = context->saved_data["present"].toInt();
    GradientEdges edges(*context);
    LinearBackwardRequest request;
    request.index = context->saved_data["index"].toInt();
    request.input = edges.next();
    request.weight = edges.next();
    request.bias = edges.next(present & 1);
    edges.next(present & 2);
    request.row_scores = edges.next(present & 4);
    const bool want_flops = edges.next(present & 8);
    request.precision = precision_of(context->saved_data["bf16"].toBool());
    if (plan.defined()) request.plan = sampling::read_plan(plan);
    const bool plain = context->saved_data["plain"].toBool() || !linear_has_kernels(saved[0], saved[1]);
    auto result = plain ? linear_backward_plain(gradients[0], saved[0], saved[1], request)
                        : linear_backward_cpu(gradients[0].contiguous(), saved[0], saved[1], request);
    if (!request.row_scores) result.row_scores = at::Tensor();
    const auto flops =
        want_flops ? at::full({1}, result.flops, gradients[0].options().dtype(at::kDouble)) : at::Tensor();
    return {result.input, result.weight, result.bias,  at::Tensor(), result.row_scores,
            flops,        at::Tensor(),  at::Tensor(), at::Tensor()};
  }
};

at::Tensor linear_autograd(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias,
                           const OptionalTensor& plan, const OptionalTensor& row_scores,
                           const OptionalTensor& flops, int64_t index, bool plain, bool bf16) {
  check(x, weight, bias);
  return Linear::apply(x, weight, bias, plan, row_scores, flops, index, plain, bf16);
}

at::Tensor linear_forward(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias,
                          const OptionalTensor&, const OptionalTensor&, const OptionalTensor&, int64_t,
                          bool plain, bool bf16) {
  check(x, weight, bias);
  return affine(x, weight, bias, plain, precision_of(bf16));
}

at::Tensor linear_meta(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor&,
                       const OptionalTensor&, const OptionalTensor&, const OptionalTensor&, int64_t, bool,
                       bool) {
  return x.new_empty_symint({x.sym_size(0), weight.sym_size(0)});
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(vcas, library) {
  library.def(
      "linear(Tensor x, Tensor weight, Tensor? bias, Tensor? plan, Tensor? row_scores, Tensor? flops, int "
      "index, bool plain=False, bool bf16=False) -> Tensor");
}
TORCH_LIBRARY_IMPL(vcas, CompositeExplicitAutograd, library) { library.impl("linear", linear_forward); }
TORCH_LIBRARY_IMPL(vcas, Autograd, library) { library.impl("linear", linear_autograd); }
TORCH_LIBRARY_IMPL(vcas, Meta, library) { library.impl("linear", linear_meta); }

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  const at::Tensor& plan, int64_t index, const LinearProbes& probes,
                  Implementation implementation, Precision precision) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("vcas::linear", "").typed<decltype(linear_forward)>();
  return op.call(x, weight, optional(bias), optional(plan), optional(probes.row_scores),
                 optional(probes.flops), index, implementation == Implementation::plain,
                 precision == Precision::bfloat16);
}

}  // namespace vcas::ops
