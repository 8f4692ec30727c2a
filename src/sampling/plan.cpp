#include "vcas/sampling/plan.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace vcas::sampling {
namespace {

constexpr int64_t kHeader = 7;  // values before row_counts

void check_plan(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.defined() && tensor.device().is_cpu() && tensor.scalar_type() == at::kLong &&
                  tensor.dim() == 1 && tensor.is_contiguous() && tensor.numel() >= kHeader,
              "plan: expected a contiguous int64 CPU tensor of at least 7 values, got ",
              tensor.defined() ? tensor.toString() : "an undefined tensor", " of ",
              tensor.defined() ? tensor.numel() : 0, " values");
}

}  // namespace

at::Tensor make_plan_tensor(int64_t linear_count) {
  TORCH_CHECK(linear_count >= 0, "plan: expected a count of linears of at least 0, got ", linear_count);
  return at::zeros({kHeader + linear_count}, at::kLong);
}

void write_plan(const BlockPlan& plan, at::Tensor& tensor) {
  check_plan(tensor);
  const auto linear_count = static_cast<int64_t>(plan.row_counts.size());
  TORCH_CHECK(tensor.numel() == kHeader + linear_count, "plan: expected a tensor of ", kHeader + linear_count,
              " values for ", linear_count, " linears, got ", tensor.numel());
  int64_t* values = tensor.data_ptr<int64_t>();
  *values++ = plan.sampled ? 1 : 0;
  *values++ = static_cast<int64_t>(plan.draw_method);
  *values++ = static_cast<int64_t>(plan.stream.seed);
  *values++ = plan.stream.micro_batch;
  *values++ = plan.stream.layer;
  *values++ = plan.stream.draw;
  *values++ = plan.sample_count;
  std::copy(plan.row_counts.begin(), plan.row_counts.end(), values);
}

BlockPlan read_plan(const at::Tensor& tensor) {
  check_plan(tensor);
  const int64_t* values = tensor.const_data_ptr<int64_t>();
  const int64_t* end = values + tensor.numel();
  BlockPlan plan;
  plan.sampled = *values++ != 0;
  const int64_t method = *values++;
  TORCH_CHECK(method == static_cast<int64_t>(DrawMethod::fixed) ||
                  method == static_cast<int64_t>(DrawMethod::bernoulli),
              "plan: expected draw method 0 or 1, got ", method);
  plan.draw_method = static_cast<DrawMethod>(method);
  plan.stream.seed = static_cast<uint64_t>(*values++);
  plan.stream.micro_batch = static_cast<uint32_t>(*values++);
  plan.stream.layer = static_cast<uint32_t>(*values++);
  plan.stream.draw = static_cast<uint32_t>(*values++);
  plan.sample_count = *values++;
  plan.row_counts.assign(values, end);
  return plan;
}

int64_t count_from_ratio(double ratio, int64_t total) {
  TORCH_CHECK(total >= 1, "count_from_ratio: expected a total of at least 1, got ", total);
  TORCH_CHECK(!std::isnan(ratio), "count_from_ratio: expected a ratio, got NaN");
  const double count = std::round(ratio * static_cast<double>(total));
  return static_cast<int64_t>(std::clamp(count, 1.0, static_cast<double>(total)));
}

}  // namespace vcas::sampling
