#include <torch/library.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ops/linear/linear_backward.h"
#include "vcas/ops/encoder_layer.h"
#include "vcas/ops/precision.h"
#include "vcas/sampling/distance.h"
#include "vcas/sampling/draw.h"
#include "vcas/sampling/norms.h"
#include "vcas/version.h"

/// What the library was compiled against; the Python package looks for the mark in the file, before it loads
/// what another version of PyTorch may not survive.
extern "C" __attribute__((used, visibility("default"))) const char kVcasTorchVersionMark[] =
    "vcas-torch-version:" VCAS_TORCH_VERSION;

namespace vcas::bindings {
namespace {

/// Σ ‖a_i - b_i‖², on the host.
double squared_distance(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return sampling::squared_distance(a, b);
}

/// SampleA of a block whose plan is read now. @param norms [N] float64.
/// @return indices [k] int64 (-1: unused) and scales [k] float64; all of them, by 1, under an exact plan.
std::tuple<at::Tensor, at::Tensor> draw_samples(const at::Tensor& norms, const at::Tensor& plan) {
  auto draw = sampling::draw_samples(norms, sampling::read_plan(plan));
  return {std::move(draw.indices), std::move(draw.scales)};
}

/// Rows of a plan's linear that enter its weight gradient; `rows` under an exact plan.
int64_t row_count(const at::Tensor& plan, int64_t linear, int64_t rows) {
  return ops::weight_row_count(sampling::read_plan(plan), linear, rows);
}

/// Floating point operations of a block: its forward pass, and its backward pass without sampling.
/// @param x [R, H]. @param trainable of each of the six weights.
std::vector<double> encoder_layer_flops(const at::Tensor& x, const at::Tensor& offsets,
                                        const c10::List<bool>& trainable, int64_t intermediate,
                                        bool first_row_only, bool pre_norm, bool recompute) {
  ops::EncoderLayerOptions options;
  options.first_row_only = first_row_only;
  options.pre_norm = pre_norm;
  options.recompute = recompute;
  const auto work = ops::encoder_layer_work(offsets, first_row_only);
  std::vector<double> weight_rows;
  for (int64_t i = 0; i < ops::kEncoderLinears; ++i) {
    const double rows = ops::runs_on_all_rows(first_row_only, i) ? work.rows : work.query_rows;
    weight_rows.push_back(trainable.get(static_cast<size_t>(i)) ? rows : 0.0);
  }
  return {ops::encoder_layer_forward_flops(work, x.size(1), intermediate),
          ops::encoder_layer_backward_flops(work, weight_rows, x.size(1), intermediate,
                                            ops::encoder_layer_backward_kind(x, options))};
}

std::string library_version() { return vcas::version(); }

bool is_fast(bool bf16) { return ops::is_fast(bf16 ? ops::Precision::bfloat16 : ops::Precision::float32); }

}  // namespace

TORCH_LIBRARY_FRAGMENT(vcas, library) {
  library.def("squared_distance(Tensor[] a, Tensor[] b) -> float", squared_distance);
  library.def("row_norms(Tensor rows) -> Tensor", sampling::row_norms);
  library.def("draw_samples(Tensor norms, Tensor plan) -> (Tensor, Tensor)", draw_samples);
  library.def("row_count(Tensor plan, int linear, int rows) -> int", row_count);
  library.def(
      "encoder_layer_flops(Tensor x, Tensor offsets, bool[] trainable, int intermediate, bool "
      "first_row_only, bool pre_norm, bool recompute) -> float[]",
      encoder_layer_flops);
  library.def("is_fast(bool bf16) -> bool", is_fast);
  library.def("version() -> str", library_version);
}

}  // namespace vcas::bindings
