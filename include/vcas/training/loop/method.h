#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vcas/control/sampler.h"
#include "vcas/data/order.h"
#include "vcas/nn/pass.h"

namespace vcas::training {

/// A micro-batch that went forward.
struct MicroBatch {
  nn::Pass pass;
  control::MicroBatchInfo info;
};

/// What a method made of a micro-batch.
struct MicroBatchGradient {
  std::vector<at::Tensor>
      gradients;                  ///< of loss_scale · loss, one a trainable parameter; not to be written to
  double flops = 0;               ///< of all its backward passes
  double adaptation_seconds = 0;  ///< spent on learning what to keep, beyond the training step itself
};

/// What a sampling method keeps at present, for the log.
struct SamplingStatus {
  std::optional<double> s = std::nullopt;             ///< vcas alone
  std::vector<double> sample_keep_ratio = {};         ///< rho, by block; sb and ub: of the last micro-batch
  std::map<std::string, double> row_keep_ratio = {};  ///< nu, by weight; vcas alone
  std::optional<control::AdaptationReport> last_adaptation = std::nullopt;
  /// Of the last micro-batch; nothing where no costs are known, and in an adaptation.
  std::optional<control::GatedParts> gated = std::nullopt;
  std::optional<control::VarianceBudgets> budgets = std::nullopt;  ///< vcas alone
};

/// What a method needs to go on after a restart.
struct MethodState {
  nlohmann::json numbers;
  std::vector<at::Tensor> tensors;
};

/// How gradients are made: which examples, samples and rows count, what is learned from them. The trainer
/// knows nothing else of a method.
class Method {
 public:
  virtual ~Method() = default;
  virtual std::string_view name() const = 0;

  /// Chooses the examples of a batch, and their weights, before it is made.
  /// @param visits what the training order has there.
  virtual std::vector<data::Visit> select(std::vector<data::Visit> visits) { return visits; }
  /// Whether select() may change something: batches are then not made ahead.
  virtual bool selects() const { return false; }

  /// Runs the backward passes over a micro-batch. Its graph is freed.
  virtual MicroBatchGradient backward(MicroBatch& batch, double loss_scale) = 0;

  /// What is kept at present, for the log; nothing for a method that does not sample.
  virtual std::optional<SamplingStatus> status() const { return std::nullopt; }
  /// Documents that belong beside a run's results, by file name.
  virtual std::map<std::string, nlohmann::json> documents() const { return {}; }
  virtual MethodState state() const { return {}; }
  /// @throws c10::Error naming what does not fit.
  virtual void load_state(const MethodState&) {}
};

}  // namespace vcas::training
