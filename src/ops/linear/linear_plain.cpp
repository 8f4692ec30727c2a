#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>

#include "linear_backward.h"
#include "sampling/draw.h"
#include "sampling/norms.h"

namespace vcas::ops {
namespace {

at::Tensor sampled_weight_gradient(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& scores,
                                   int64_t count, const LinearBackwardRequest& request) {
  const auto draw =
      sampling::draw(scores, count, request.plan.draw_method, weight_stream(request.plan, request.index));
  const auto rows = draw.indices.clamp_min(0);
  const auto scaled = gradient.index_select(0, rows) * draw.scales.to(gradient.scalar_type()).unsqueeze(1);
  return at::mm(rounded_operand(scaled, request.precision).t(),
                rounded_operand(x.index_select(0, rows), request.precision));
}

}  // namespace

at::Tensor rounded_operand(const at::Tensor& values, Precision precision) {
  return precision == Precision::bfloat16 ? values.to(at::kBFloat16).to(values.scalar_type()) : values;
}

int64_t weight_row_count(const sampling::BlockPlan& plan, int64_t index, int64_t rows) {
  if (!plan.sampled) return rows;
  const int64_t count = plan.row_counts.at(index);
  return count == sampling::BlockPlan::kAllRows ? rows : std::min(count, rows);
}

sampling::StreamKey weight_stream(const sampling::BlockPlan& plan, int64_t index) {
  return plan.stream.weight(index);
}

LinearGradients linear_backward_plain(const at::Tensor& gradient, const at::Tensor& x,
                                      const at::Tensor& weight, const LinearBackwardRequest& request) {
  LinearGradients result;
  const double row_flops = 2.0 * static_cast<double>(weight.numel());
  if (request.input) {
    result.input =
        at::mm(rounded_operand(gradient, request.precision), rounded_operand(weight, request.precision));
    result.flops += row_flops * static_cast<double>(x.size(0));
  }
  if (request.bias) result.bias = gradient.sum(0);
  const int64_t count = weight_row_count(request.plan, request.index, x.size(0));
  const bool sample = request.weight && count < x.size(0);
  if (sample || request.row_scores)
    result.row_scores = sampling::row_norms(gradient) * sampling::row_norms(x);
  if (request.weight) {
    result.weight = sample ? sampled_weight_gradient(gradient, x, result.row_scores, count, request)
                           : at::mm(rounded_operand(gradient, request.precision).t(),
                                    rounded_operand(x, request.precision));
    result.flops += row_flops * static_cast<double>(count);
  }
  return result;
}

}  // namespace vcas::ops
