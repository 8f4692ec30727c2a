#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vcas/control/sampler.h"
#include "vcas/nn/model.h"
#include "vcas/training/loop/method.h"

namespace vcas::training {

/// Sums a vector over all processes that train together; with one process it is what came in.
using SumOverRanks = std::function<std::vector<double>(std::vector<double>)>;

/// Variance-controlled adaptive sampling: as few samples and rows as the variance budget allows.
/// Source: arXiv 2402.17227; ALGORITHM, "Variance control".
class VcasMethod final : public Method {
 public:
  /// @param costs of the model's blocks, so that what does not pay runs exactly; a block without costs is
  /// always sampled. A checkpoint's take their place.
  VcasMethod(const control::ControllerOptions& options, const nn::Model& model, uint64_t seed,
             control::BlockCosts costs = {}, SumOverRanks sum = {});

  std::string_view name() const override { return "vcas"; }
  MicroBatchGradient backward(MicroBatch& batch, double loss_scale) override;
  std::optional<SamplingStatus> status() const override;
  /// cost_table.json: the costs by which sampling is left off, if any.
  std::map<std::string, nlohmann::json> documents() const override;
  MethodState state() const override;
  void load_state(const MethodState& state) override;

 private:
  MicroBatchGradient adapt(MicroBatch& batch, double loss_scale);

  std::vector<size_t> controlled_;  ///< indices of the parameters below the topmost block that samples
  control::Sampler sampler_;
  SumOverRanks sum_;
};

}  // namespace vcas::training
