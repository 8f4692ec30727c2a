// The element-wise passes, attention and AdamW against what PyTorch offers for the same, fp32, all candidates
// taking turns. "ratio" is PyTorch's time by ours; "GB/s" counts what ours must read and write once, to be
// compared with "copy", at::copy_ of as many bytes in the same run. Rows are those of 32 texts of 18 tokens,
// hidden sizes MiniLM's. Usage: elementwise_benchmark [threads] [seconds per candidate] [--json]
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <vector>

#include "against_torch.h"
#include "ops/kernels/activation.h"
#include "ops/kernels/adamw.h"
#include "ops/kernels/attention.h"
#include "ops/kernels/dropout.h"
#include "ops/kernels/layer_norm.h"
#include "ops/kernels/reductions.h"
#include "ops/kernels/tensor_rows.h"

namespace {

using vcas::benchmarks::Arguments;
using vcas::benchmarks::Case;
using vcas::benchmarks::report;
using vcas::ops::Activation;
using vcas::ops::kernels::activation_backward;
using vcas::ops::kernels::activation_forward;
using vcas::ops::kernels::ActivationBackward;
using vcas::ops::kernels::adamw_step;
using vcas::ops::kernels::AdamWArrays;
using vcas::ops::kernels::AdamWFactors;
using vcas::ops::kernels::attention_forward;
using vcas::ops::kernels::AttentionInputs;
using vcas::ops::kernels::AttentionShape;
using vcas::ops::kernels::DropoutMask;
using vcas::ops::kernels::layer_norm_backward;
using vcas::ops::kernels::layer_norm_forward;
using vcas::ops::kernels::LayerNormBackward;
using vcas::ops::kernels::LayerNormForward;
using vcas::ops::kernels::reduce_rows;
using vcas::ops::kernels::rows_of;
using vcas::ops::kernels::Workspace;

constexpr int64_t kTexts = 32, kTokens = 18, kRows = kTexts * kTokens;
constexpr int64_t kHidden = 384, kIntermediate = 1536, kHeads = 12;

float* data(const at::Tensor& tensor) { return tensor.mutable_data_ptr<float>(); }

DropoutMask dropout_mask() {
  vcas::sampling::StreamKey stream;
  stream.seed = 1;
  return {stream, 0.1};
}

/// The buffers that the cases share.
struct Buffers {
  at::Tensor hidden = at::randn({kRows, kHidden}), residual = at::randn({kRows, kHidden});
  at::Tensor wide = at::randn({kRows, kIntermediate}), wide_gradient = at::randn({kRows, kIntermediate});
  at::Tensor wide_out = at::empty({kRows, kIntermediate});
  at::Tensor out = at::empty({kRows, kHidden}), sum = at::randn({kRows, kHidden});
  at::Tensor gamma = at::randn({kHidden}), beta = at::randn({kHidden});
  at::Tensor mean = at::zeros({kRows}), rstd = at::ones({kRows});
  at::Tensor grad_gamma = at::empty({kHidden}), grad_beta = at::empty({kHidden});
  at::Tensor wide_sums = at::empty({kIntermediate});
  std::vector<double> norms = std::vector<double>(kRows);
  Workspace workspace;
};

std::vector<Case> row_cases(Buffers& b) {
  constexpr double kSmall = kRows * kHidden, kWide = kRows * kIntermediate;
  return {
      {"dropout + residual + LayerNorm",
       [&] {
         LayerNormForward args;
         args.input = rows_of(b.hidden);
         args.residual = rows_of(b.residual);
         args.dropout = dropout_mask();
         args.gamma = data(b.gamma);
         args.beta = data(b.beta);
         args.sum = data(b.sum);
         args.output = data(b.out);
         layer_norm_forward(args, kRows, kHidden, b.workspace);
       },
       [&] {
         at::layer_norm(at::dropout(b.hidden, 0.1, true) + b.residual, {kHidden}, b.gamma, b.beta, 1e-12);
       },
       4 * kSmall},
      {"LayerNorm backward",
       [&] {
         LayerNormBackward args;
         args.grad_output = rows_of(b.hidden);
         args.sum = rows_of(b.sum);
         args.mean = data(b.mean);
         args.rstd = data(b.rstd);
         args.gamma = data(b.gamma);
         args.grad_input = data(b.out);
         args.grad_gamma = data(b.grad_gamma);
         args.grad_beta = data(b.grad_beta);
         layer_norm_backward(args, kRows, kHidden, b.workspace);
       },
       [&] {
         at::native_layer_norm_backward(b.hidden, b.sum, {kHidden}, b.mean.unsqueeze(1), b.rstd.unsqueeze(1),
                                        b.gamma, b.beta, {true, true, true});
       },
       3 * kSmall},
      {"GELU (erf), row norms",
       [&] {
         activation_forward(Activation::gelu, rows_of(b.wide), data(b.wide_out), b.norms.data(), kRows,
                            kIntermediate, b.workspace);
       },
       [&] { at::linalg_vector_norm(at::gelu(b.wide), 2, at::IntArrayRef{1}); }, 2 * kWide},
      {"GELU backward, norms, bias sums",
       [&] {
         ActivationBackward args;
         args.input = rows_of(b.wide);
         args.grad = data(b.wide_gradient);
         args.row_norms = b.norms.data();
         args.column_sums = data(b.wide_sums);
         activation_backward(args, kRows, kIntermediate, b.workspace);
       },
       [&] {
         const auto gradient = at::gelu_backward(b.wide_gradient, b.wide);
         at::linalg_vector_norm(gradient, 2, at::IntArrayRef{1});
         gradient.sum(0);
       },
       3 * kWide},
      {"row norms and column sums",
       [&] {
         reduce_rows(rows_of(b.hidden), kRows, kHidden, b.norms.data(), data(b.grad_beta), b.workspace);
       },
       [&] {
         at::linalg_vector_norm(b.hidden, 2, at::IntArrayRef{1});
         b.hidden.sum(0);
       },
       kSmall},
  };
}

void run_rows(const Arguments& arguments) {
  Buffers buffers;
  for (const Case& each : row_cases(buffers)) report(each, arguments);
}

void run_attention(const Arguments& arguments) {
  std::vector<int64_t> offsets;
  for (int64_t i = 0; i <= kTexts; ++i) offsets.push_back(i * kTokens);
  AttentionShape shape;
  shape.offsets = offsets.data();
  shape.samples = kTexts;
  shape.heads = kHeads;
  shape.head_size = kHidden / kHeads;
  const at::Tensor q = at::randn({kRows, kHidden}), k = at::randn({kRows, kHidden}),
                   v = at::randn({kRows, kHidden});
  const at::Tensor context = at::empty({kRows, kHidden}), logsumexp = at::empty({kRows, kHeads});
  const AttentionInputs inputs{data(q), kHidden, data(k), data(v), kHidden};
  Workspace workspace;
  const auto heads_of = [](const at::Tensor& t) {
    return t.view({kTexts, kTokens, kHeads, kHidden / kHeads}).transpose(1, 2);
  };
  report({"attention, 18 tokens",
          [&] { attention_forward(shape, inputs, data(context), kHidden, data(logsumexp), workspace); },
          [&] { at::scaled_dot_product_attention(heads_of(q), heads_of(k), heads_of(v)); },
          4.0 * kRows * kHidden},
         arguments);
}

void run_adamw(const Arguments& arguments) {
  constexpr int64_t kCount = 4 << 20;
  const at::Tensor param = at::randn({kCount}), grad = at::randn({kCount});
  const at::Tensor exp_avg = at::zeros({kCount}), exp_avg_sq = at::zeros({kCount});
  const AdamWArrays arrays{AdamWFactors({.learning_rate = 1e-6}),
                           kCount,
                           data(param),
                           data(grad),
                           data(exp_avg),
                           data(exp_avg_sq)};
  const at::Tensor step = at::ones({});
  report({"AdamW, 4 M values",
          [&] {
            adamw_step({&arrays, 1});
          },
          [&] {
            at::_fused_adamw_({param}, {grad}, {exp_avg}, {exp_avg_sq}, {}, {step}, 1e-6, 0.9, 0.999, 0.0,
                              1e-8,
                              /*amsgrad=*/false, /*maximize=*/false);
          },
          7.0 * kCount},
         arguments);
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = vcas::benchmarks::read_arguments(argc, argv, 0.5);
  const c10::AutoGradMode no_grad(false);
  if (!arguments.json) std::printf("%d threads\n", at::get_num_threads());
  run_rows(arguments);
  run_attention(arguments);
  run_adamw(arguments);
}
