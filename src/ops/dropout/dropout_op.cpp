#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/arange.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/kernels/dropout.h"
#include "ops/kernels/pooled_tensor.h"
#include "vcas/ops/dropout.h"

namespace vcas::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool has_kernel(const at::Tensor& x, Implementation implementation) {
  return implementation == Implementation::automatic && x.is_cpu() && x.scalar_type() == at::kFloat;
}

at::Tensor apply_mask(const at::Tensor& x, const at::Tensor& rng, sampling::Site site, double p,
                      Implementation implementation) {
  if (!has_kernel(x, implementation)) {
    const auto rows = at::arange(x.size(0), x.options().dtype(at::kLong));
    return x * dropout_mask(rows, x.size(1), rng, site, p, x);
  }
  const auto input = x.contiguous();
  auto output = kernels::pooled_empty(input.sizes(), at::kFloat);
  const auto workspace = kernels::lease_workspace();
  kernels::DropoutForward args;
  args.input = {input.const_data_ptr<float>(), x.size(1), nullptr, nullptr};
  args.mask = kernels::DropoutMask(read_rng(rng, site), p);
  args.output = output.mutable_data_ptr<float>();
  kernels::dropout_forward(args, x.size(0), x.size(1), *workspace);
  return output;
}

/// The mask is linear in x and a function of its key, so the backward pass applies the same mask to the
/// gradient.
class Dropout : public torch::autograd::Function<Dropout> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& rng,
                            int64_t site, double p, bool plain) {
    at::AutoDispatchBelowADInplaceOrView guard;
    context->saved_data["rng"] = rng.clone();
    context->saved_data["site"] = site;
    context->saved_data["p"] = p;
    context->saved_data["plain"] = plain;
    return run(x, rng, site, p, plain);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto& data = context->saved_data;
    return {run(gradients[0], data["rng"].toTensor(), data["site"].toInt(), data["p"].toDouble(),
                data["plain"].toBool()),
            {},
            {},
            {},
            {}};
  }

 private:
  static at::Tensor run(const at::Tensor& x, const at::Tensor& rng, int64_t site, double p, bool plain) {
    return apply_mask(x, rng, static_cast<sampling::Site>(site), p,
                      plain ? Implementation::plain : Implementation::automatic);
  }
};

}  // namespace

at::Tensor dropout(const at::Tensor& x, const at::Tensor& rng, sampling::Site site, double p,
                   Implementation implementation) {
  if (p == 0) return x;
  return Dropout::apply(x, rng, static_cast<int64_t>(site), p, implementation == Implementation::plain);
}

}  // namespace vcas::ops
