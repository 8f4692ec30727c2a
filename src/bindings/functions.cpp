#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ops/linear/linear_backward.h"
#include "sampling/distance.h"
#include "sampling/draw.h"
#include "sampling/norms.h"
#include "vcas/ops/dropout.h"
#include "vcas/ops/precision.h"
#include "vcas/ops/transformer_layer.h"
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

/// Rows of a plan's weight that enter its gradient; `rows` under an exact plan.
int64_t row_count(const at::Tensor& plan, int64_t weight, int64_t rows) {
  return ops::weight_row_count(sampling::read_plan(plan), weight, rows);
}

/// What transformer_layer takes as rng.
at::Tensor rng_tensor(int64_t seed, int64_t micro_batch, int64_t layer) {
  return ops::make_rng_tensor({.seed = static_cast<uint64_t>(seed),
                               .micro_batch = static_cast<uint32_t>(micro_batch),
                               .layer = static_cast<uint32_t>(layer)});
}

/// Places of a block's sampled weights among its parameters.
std::vector<int64_t> transformer_layer_weights() {
  return {ops::kWeightParameter.begin(), ops::kWeightParameter.end()};
}

/// Rows of each sample by weight of a block: [weights, N+1] offsets. @param offsets [N+1].
at::Tensor transformer_layer_rows(const at::Tensor& offsets, const std::optional<at::Tensor>& query_rows) {
  const auto rows = ops::transformer_layer_rows(offsets, query_rows.value_or(at::Tensor()));
  at::Tensor result = at::empty({ops::kTransformerWeights, rows.samples + 1}, at::kLong);
  auto* values = result.mutable_data_ptr<int64_t>();
  for (const auto& of_weight : rows.weight_offsets)
    values = std::copy(of_weight.begin(), of_weight.end(), values);
  return result;
}

/// Floating point operations of a block with these parameters: its forward pass, and its backward pass
/// without sampling.
std::tuple<double, double> transformer_layer_flops(const at::Tensor& offsets,
                                                   const std::optional<at::Tensor>& query_rows,
                                                   const std::vector<at::Tensor>& parameters,
                                                   const std::string& options) {
  const auto flops = ops::transformer_layer_flops(offsets, query_rows.value_or(at::Tensor()),
                                                  ops::TransformerLayerShape::of(parameters),
                                                  ops::TransformerLayerOptions::from_text(options));
  return {flops.forward, flops.backward};
}

std::string library_version() { return vcas::version(); }

bool is_fast(bool bf16) { return ops::is_fast(bf16 ? ops::Precision::bfloat16 : ops::Precision::float32); }

}  // namespace

TORCH_LIBRARY_FRAGMENT(vcas, library) {
  library.def("squared_distance(Tensor[] a, Tensor[] b) -> float", squared_distance);
  library.def("row_norms(Tensor rows) -> Tensor", sampling::row_norms);
  library.def("draw_samples(Tensor norms, Tensor plan) -> (Tensor, Tensor)", draw_samples);
  library.def("row_count(Tensor plan, int weight, int rows) -> int", row_count);
  library.def("rng_tensor(int seed, int micro_batch, int layer) -> Tensor", rng_tensor);
  library.def("transformer_layer_weights() -> int[]", transformer_layer_weights);
  library.def("transformer_layer_rows(Tensor offsets, Tensor? query_rows) -> Tensor", transformer_layer_rows);
  library.def(
      "transformer_layer_flops(Tensor offsets, Tensor? query_rows, Tensor[] parameters, str options) -> "
      "(float, float)",
      transformer_layer_flops);
  library.def("is_fast(bool bf16) -> bool", is_fast);
  library.def("version() -> str", library_version);
}

}  // namespace vcas::bindings
