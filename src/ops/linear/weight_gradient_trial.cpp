#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>

#include "ops/calibration.h"
#include "ops/kernels/reductions.h"
#include "ops/kernels/tensor_rows.h"
#include "sampled_weight.h"

namespace vcas::ops {

WeightGradientTrial::WeightGradientTrial(const WeightGradientShape& shape, int64_t rows)
    : shape_(shape),
      gradient_(at::randn({rows, shape.outputs})),
      input_(at::randn({rows, shape.inputs})),
      result_(at::empty({shape.outputs, shape.inputs})),
      gradient_norms_(static_cast<size_t>(rows)),
      input_norms_(static_cast<size_t>(rows)) {
  const auto workspace = kernels::lease_workspace();
  kernels::reduce_rows(kernels::rows_of(gradient_), rows, shape.outputs, gradient_norms_.data(), nullptr,
                       *workspace);
  kernels::reduce_rows(kernels::rows_of(input_), rows, shape.inputs, input_norms_.data(), nullptr,
                       *workspace);
}

void WeightGradientTrial::run(int64_t kept) const {
  const auto workspace = kernels::lease_workspace();
  sampling::BlockPlan plan;
  plan.sampled = true;
  plan.row_counts = {kept};
  SampledWeightGradient args;
  args.plan = &plan;
  args.gradient = kernels::rows_of(gradient_);
  args.gradient_norms = gradient_norms_;
  args.input = kernels::rows_of(input_);
  if (shape_.input_norms_known) args.input_norms = input_norms_.data();
  args.output_size = shape_.outputs;
  args.input_size = shape_.inputs;
  args.result = result_.mutable_data_ptr<float>();
  args.precision = shape_.precision;
  sample_weight_gradient(args, *workspace);
}

}  // namespace vcas::ops
