#pragma once

#include <torch/custom_class.h>
#include <torch/library.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "vcas/sampling/plan.h"

namespace vcas::bindings {

/// A plan as Python holds it: torch.classes.vcas.SamplingPlan.
class SamplingPlan : public torch::CustomClassHolder {
 public:
  explicit SamplingPlan(sampling::SamplingPlan plan) : plan_(std::move(plan)) {}
  /// @param draw "fixed" or "bernoulli". Empty ratios: exact.
  SamplingPlan(std::vector<double> sample_keep_ratio, std::vector<std::vector<double>> row_keep_ratio,
               const std::string& draw, int64_t draw_number);

  bool sampled() const { return plan_.sampled; }
  std::vector<double> sample_keep_ratio() const { return plan_.sample_keep_ratio; }
  std::vector<std::vector<double>> row_keep_ratio() const { return plan_.row_keep_ratio; }

  /// Writes one block's part where its operator reads it.
  /// @param tensor      made by vcas::plan_tensor for the weights of the block.
  /// @param weight_rows rows that each weight of the block runs on.
  /// @param stream      seed, micro-batch, layer.
  void write(at::Tensor tensor, int64_t block, int64_t samples, const std::vector<int64_t>& weight_rows,
             const std::vector<int64_t>& stream) const;

 private:
  sampling::SamplingPlan plan_;
};

/// @throws c10::Error "draw: expected fixed or bernoulli, got ...".
sampling::DrawMethod draw_method_from(const std::string& name);

/// Registers the class and its functions. To be called before a class that gives or takes plans is
/// registered: of two files of a library either may be initialised first.
void register_sampling_plan(torch::Library& library);

}  // namespace vcas::bindings
