#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <vector>

#include "linear_backward.h"
#include "ops/kernels/gemm.h"
#include "ops/kernels/pooled_tensor.h"
#include "ops/kernels/reductions.h"
#include "sampled_weight.h"

namespace vcas::ops {
namespace {

using kernels::RowView;

bool is_float_array(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.is_contiguous();
}

RowView rows_of(const at::Tensor& matrix) {
  return {matrix.const_data_ptr<float>(), matrix.size(1), nullptr, nullptr};
}

}  // namespace

bool linear_has_kernels(const at::Tensor& x, const at::Tensor& weight) {
  return x.size(0) > 0 && weight.numel() > 0 && is_float_array(x) && is_float_array(weight);
}

at::Tensor linear_forward_cpu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t rows = x.size(0), outputs = weight.size(0), inputs = weight.size(1);
  auto result = kernels::pooled_empty({rows, outputs}, at::kFloat);
  const at::Tensor contiguous_bias = bias.defined() ? bias.to(at::kFloat).contiguous() : at::Tensor();
  const auto workspace = kernels::lease_workspace();
  kernels::matmul_nt(rows_of(x), rows, outputs, inputs, weight.const_data_ptr<float>(),
                     bias.defined() ? contiguous_bias.const_data_ptr<float>() : nullptr,
                     result.mutable_data_ptr<float>(), outputs, *workspace);
  return result;
}

LinearGradients linear_backward_cpu(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                                    const LinearBackwardRequest& request) {
  const int64_t rows = x.size(0), outputs = weight.size(0), inputs = weight.size(1);
  const double row_flops = 2.0 * static_cast<double>(weight.numel());
  const auto workspace = kernels::lease_workspace();
  LinearGradients result;
  if (request.input) {
    result.input = kernels::pooled_empty(x.sizes(), at::kFloat);
    kernels::matmul_nn(rows_of(gradient), rows, outputs, inputs, weight.const_data_ptr<float>(),
                       result.input.mutable_data_ptr<float>(), inputs, /*accumulate=*/false, *workspace);
    result.flops += row_flops * static_cast<double>(rows);
  }
  if (request.bias) result.bias = at::empty({outputs}, gradient.options());
  std::vector<double> norms(static_cast<size_t>(rows));
  kernels::reduce_rows(rows_of(gradient), rows, outputs, norms.data(),
                       request.bias ? result.bias.mutable_data_ptr<float>() : nullptr, *workspace);
  if (request.weight) result.weight = kernels::pooled_empty(weight.sizes(), at::kFloat);
  SampledWeightGradient sampled;
  sampled.plan = &request.plan;
  sampled.index = request.index;
  sampled.gradient = rows_of(gradient);
  sampled.gradient_norms = norms;
  sampled.input = rows_of(x);
  sampled.output_size = outputs;
  sampled.input_size = inputs;
  if (request.weight) sampled.result = result.weight.mutable_data_ptr<float>();
  sampled.want_scores = request.row_scores;
  const auto outcome = sample_weight_gradient(sampled, *workspace);
  result.flops += row_flops * static_cast<double>(outcome.rows);
  if (request.row_scores) result.row_scores = at::tensor(outcome.scores, at::kDouble);
  return result;
}

}  // namespace vcas::ops
