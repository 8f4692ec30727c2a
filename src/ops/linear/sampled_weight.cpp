#include "sampled_weight.h"

#include "linear_backward.h"
#include "ops/kernels/gemm.h"
#include "ops/kernels/reductions.h"
#include "sampling/host.h"

namespace vcas::ops {
namespace {

std::vector<double> leverage_scores(const SampledWeightGradient& args, kernels::Workspace& workspace) {
  std::vector<double> scores(args.gradient_norms.size());
  const auto rows = static_cast<int64_t>(scores.size());
  if (args.input_norms == nullptr)
    kernels::reduce_rows(args.input, rows, args.input_size, scores.data(), nullptr, workspace);
  for (int64_t r = 0; r < rows; ++r) {
    const double input_norm = args.input_norms ? args.input_norms[args.input.source_row(r)] : scores[r];
    scores[r] = args.gradient_norms[r] * input_norm;
  }
  return scores;
}

void multiply_kept(const SampledWeightGradient& args, const sampling::HostDraw& draw,
                   kernels::Workspace& workspace) {
  std::vector<int64_t> input_rows;
  std::vector<float> scales(draw.scales.begin(), draw.scales.end());
  for (const int64_t row : draw.indices) input_rows.push_back(args.input.source_row(row));
  auto gradient = args.gradient;
  gradient.index = draw.indices.data();
  gradient.scale = scales.data();
  auto input = args.input;
  input.index = input_rows.data();
  kernels::matmul_tn(gradient, input, static_cast<int64_t>(draw.indices.size()), args.output_size,
                     args.input_size, args.result, workspace, {args.precision});
}

}  // namespace

SampledWeightOutcome sample_weight_gradient(const SampledWeightGradient& args,
                                            kernels::Workspace& workspace) {
  SampledWeightOutcome outcome;
  const auto rows = static_cast<int64_t>(args.gradient_norms.size());
  const int64_t count = weight_row_count(*args.plan, args.index, rows);
  const bool sample = args.result != nullptr && count < rows;
  if (sample || args.want_scores) outcome.scores = leverage_scores(args, workspace);
  if (args.result == nullptr) return outcome;
  if (sample) {
    const auto draw =
        sampling::draw(outcome.scores, count, args.plan->draw_method, weight_stream(*args.plan, args.index));
    multiply_kept(args, draw, workspace);
    outcome.rows = static_cast<int64_t>(draw.indices.size());
  } else {
    kernels::matmul_tn(args.gradient, args.input, rows, args.output_size, args.input_size, args.result,
                       workspace, {args.precision});
    outcome.rows = rows;
  }
  return outcome;
}

}  // namespace vcas::ops
