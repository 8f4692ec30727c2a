#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vcas/control/benefit_gate.h"
#include "vcas/control/controller.h"
#include "vcas/models/text_classifier.h"

namespace vcas::training {

/// A micro-batch that went forward.
struct MicroBatch {
  std::unique_ptr<models::ForwardPass> pass;
  std::vector<int64_t> offsets;  ///< N+1, rows of each sample
  bool full_size = true;         ///< false for a smaller last one of an epoch
  int64_t number = 0;            ///< counted over the whole run
};

/// What a method made of a micro-batch.
struct MicroBatchGradient {
  std::vector<at::Tensor>
      gradients;                  ///< of loss_scale · loss, one a trainable parameter; not to be written to
  double flops = 0;               ///< of all its backward passes
  double adaptation_seconds = 0;  ///< spent on learning what to keep, beyond the training step itself
};

/// Shares of V_s that the variances of sampling may reach.
struct VarianceBudgets {
  double act_var_tau = 0;  ///< of V_act
  double w_var_tau = 0;    ///< of V_w, weight by weight
};

/// What a sampling method keeps at present, for the log.
struct SamplingStatus {
  std::optional<double> s;                       ///< vcas alone
  std::vector<double> sample_keep_ratio;         ///< rho, by block; sb and ub: of the last micro-batch
  std::map<std::string, double> row_keep_ratio;  ///< nu, by weight; vcas alone
  std::optional<control::AdaptationReport> last_adaptation;
  /// Of the last micro-batch; nothing where no costs are known, and in an adaptation.
  std::optional<control::GatedParts> gated;
  std::optional<VarianceBudgets> budgets = std::nullopt;  ///< vcas alone
};

/// What a method needs to go on after a restart.
struct MethodState {
  nlohmann::json numbers;
  std::vector<at::Tensor> tensors;
};

/// How gradients are made: which samples and rows count, what is learned from them. The trainer knows nothing
/// else of a method.
class Method {
 public:
  virtual ~Method() = default;
  virtual std::string_view name() const = 0;
  /// Runs the backward passes over a micro-batch. Its graph is freed.
  virtual MicroBatchGradient backward(const MicroBatch& batch, double loss_scale) = 0;
  /// Nothing for a method that does not sample.
  virtual std::optional<SamplingStatus> status() const { return std::nullopt; }
  /// The costs by which it leaves sampling off, if any.
  virtual std::optional<control::EncoderLayerCost> cost() const { return std::nullopt; }
  virtual MethodState state() const { return {}; }
  /// @throws c10::Error naming what does not fit.
  virtual void load_state(const MethodState&) {}
};

/// Every sample and every row.
class ExactMethod final : public Method {
 public:
  std::string_view name() const override { return "exact"; }
  MicroBatchGradient backward(const MicroBatch& batch, double loss_scale) override;
};

/// Variance-controlled adaptive sampling: as few samples and rows as the variance budget allows.
/// Source: arXiv 2402.17227; ALGORITHM, "Variance control".
class VcasMethod final : public Method {
 public:
  /// @param parameters what the gradients belong to. @param linears by block, as the model samples them.
  /// @param cost of a block, so that what does not pay runs exactly; without it everything is sampled. A
  /// checkpoint's takes its place.
  VcasMethod(const control::ControllerOptions& options, const std::vector<models::NamedParameter>& parameters,
             const std::vector<std::vector<models::SampledLinear>>& linears, uint64_t seed,
             const std::optional<control::EncoderLayerCost>& cost = std::nullopt);

  std::string_view name() const override { return "vcas"; }
  MicroBatchGradient backward(const MicroBatch& batch, double loss_scale) override;
  std::optional<SamplingStatus> status() const override;
  MethodState state() const override;
  void load_state(const MethodState& state) override;
  std::optional<control::EncoderLayerCost> cost() const override;

 private:
  void set_cost(const std::optional<control::EncoderLayerCost>& cost);
  MicroBatchGradient adapt(const MicroBatch& batch, double loss_scale);

  control::SamplingLayout layout_;
  std::vector<size_t> controlled_;  ///< indices of the parameters below the topmost SampleA
  control::VarianceController controller_;
  std::optional<control::BenefitGate> gate_;
  std::optional<control::GatedParts> gated_;
  bool wants_probe_stats_;
  bool adapted_ = false;  ///< an adaptation has been completed, so that there is a report
};

/// What can be sampled, in the controller's terms: gradient indices count the parameters below the topmost
/// SampleA.
control::SamplingLayout sampling_layout(const std::vector<models::NamedParameter>& parameters,
                                        const std::vector<std::vector<models::SampledLinear>>& linears);

}  // namespace vcas::training
