#pragma once

#include <torch/custom_class.h>

#include <cstdint>
#include <string>
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
  /// @param tensor      int64 CPU tensor of 8 values and one more for each linear of the block.
  /// @param linear_rows rows that each linear of the block runs on.
  /// @param stream      seed, micro-batch, layer, rank.
  void write(at::Tensor tensor, int64_t block, int64_t samples, const std::vector<int64_t>& linear_rows,
             const std::vector<int64_t>& stream) const;

 private:
  sampling::SamplingPlan plan_;
};

/// @throws c10::Error "draw: expected fixed or bernoulli, got ...".
sampling::DrawMethod draw_method_from(const std::string& name);

}  // namespace vcas::bindings
