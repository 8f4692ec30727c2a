#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <vector>

#include "linear_backward.h"
#include "ops/kernels/gemm.h"
#include "ops/kernels/pooled_tensor.h"
#include "ops/kernels/reductions.h"
#include "ops/kernels/tensor_rows.h"
#include "sampled_weight.h"
#include "sampling/float_array.h"

namespace vcas::ops {
namespace {

using kernels::rows_of;
using sampling::is_float_array;

/// Norms of the rows of dZ where the draw or the scores need them, and the gradient of the bias.
std::vector<double> reduce_gradient(const at::Tensor& gradient, const LinearBackwardRequest& request,
                                    const at::Tensor& bias_gradient, kernels::Workspace& workspace) {
  const int64_t rows = gradient.size(0);
  std::vector<double> norms(static_cast<size_t>(rows));
  const bool want_norms = request.row_scores || weight_row_count(request.plan, request.index, rows) < rows;
  if (want_norms || request.bias) {
    kernels::reduce_rows(rows_of(gradient), rows, gradient.size(1), want_norms ? norms.data() : nullptr,
                         request.bias ? bias_gradient.mutable_data_ptr<float>() : nullptr, workspace);
  }
  return norms;
}

}  // namespace

bool linear_has_kernels(const at::Tensor& x, const at::Tensor& weight) {
  return x.size(0) > 0 && weight.numel() > 0 && is_float_array(x) && is_float_array(weight);
}

at::Tensor linear_forward_cpu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              Precision precision) {
  const int64_t rows = x.size(0), outputs = weight.size(0), inputs = weight.size(1);
  auto result = kernels::pooled_empty({rows, outputs}, at::kFloat);
  const at::Tensor contiguous_bias = bias.defined() ? bias.to(at::kFloat).contiguous() : at::Tensor();
  const auto workspace = kernels::lease_workspace();
  kernels::matmul_nt(rows_of(x), rows, outputs, inputs, weight.const_data_ptr<float>(),
                     bias.defined() ? contiguous_bias.const_data_ptr<float>() : nullptr,
                     result.mutable_data_ptr<float>(), outputs, *workspace, {precision});
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
                       result.input.mutable_data_ptr<float>(), inputs, /*accumulate=*/false, *workspace,
                       {request.precision});
    result.flops += row_flops * static_cast<double>(rows);
  }
  if (request.bias) result.bias = at::empty({outputs}, gradient.options());
  const auto norms = reduce_gradient(gradient, request, result.bias, *workspace);
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
  sampled.precision = request.precision;
  const auto outcome = sample_weight_gradient(sampled, *workspace);
  result.flops += row_flops * static_cast<double>(outcome.rows);
  if (request.row_scores) result.row_scores = at::tensor(outcome.scores, at::kDouble);
  return result;
}

}  // namespace vcas::ops
