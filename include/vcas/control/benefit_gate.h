#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "vcas/control/controller.h"
#include "vcas/sampling/plan.h"

namespace vcas::control {

/// What the costs of a block's backward pass depend on.
struct CostKey {
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  std::string dtype;  ///< of the products: "float32" or "bfloat16"
  int64_t threads = 0;

  bool operator==(const CostKey&) const = default;
};

/// Seconds of a linear's weight gradient: row·r over r rows, and draw + scored_row·R on top where they are a
/// sample of R.
struct WeightGradientCost {
  double row = 0;
  double draw = 0;
  double scored_row = 0;
};

/// Seconds of a block's backward pass without weight gradients: row·r over r rows of kept samples, and
/// draw + batch_row·R on top where samples of a batch of R rows are left out.
struct BlockCost {
  double row = 0;
  double draw = 0;
  double batch_row = 0;
};

/// A block's costs on one machine.
struct EncoderLayerCost {
  CostKey key;
  BlockCost block;
  std::vector<WeightGradientCost> linears;  ///< in the order of SamplingPlan::row_keep_ratio's inner lists
};

/// Costs by key, as `vcas calibrate` measures them.
class CostTable {
 public:
  /// Those that come with vcas: MiniLM-L6 and BERT-base, measured where docs/benchmarks was.
  static const CostTable& shipped();
  /// @throws std::invalid_argument "entries[0].block.row: expected a number >= 0, got -1".
  static CostTable from_json(const nlohmann::json& json);
  nlohmann::json to_json() const;

  /// Adds an entry, or replaces the one of the same key.
  void set(EncoderLayerCost cost);
  /// Null for a key that is not there.
  const EncoderLayerCost* find(const CostKey& key) const;

 private:
  std::vector<EncoderLayerCost> entries_;
};

/// What a pass does exactly because sampling it would not pay.
struct GatedParts {
  std::vector<int64_t> blocks;       ///< whose SampleA keeps what the block above kept
  std::vector<std::string> weights;  ///< whose gradient is over all rows
};

/// Takes out of a plan what costs more than it saves: draws for tiny batches, ratios near 1. What is left is
/// as unbiased as before, and its variance is smaller. A function of plan, batch and costs alone: nothing is
/// timed.
class BenefitGate {
 public:
  /// @throws c10::Error for costs of another number of linears than the layout's blocks have.
  BenefitGate(EncoderLayerCost cost, SamplingLayout layout);

  /// A block below one that leaves samples out is never gated: it works on compact rows already, and its draw
  /// alone costs next to nothing.
  /// @param offsets N+1, rows of each sample. @return the plan, and what was taken out of it.
  std::pair<sampling::SamplingPlan, GatedParts> apply(sampling::SamplingPlan plan,
                                                      const std::vector<int64_t>& offsets) const;
  const EncoderLayerCost& cost() const { return cost_; }

 private:
  bool leaving_out_pays(size_t block, const std::vector<double>& row_keep_ratio, double left_out_rows,
                        double rows) const;

  EncoderLayerCost cost_;
  SamplingLayout layout_;
};

/// Of one entry, for checkpoints. @throws std::invalid_argument as CostTable::from_json.
nlohmann::json to_json(const EncoderLayerCost& cost);
EncoderLayerCost encoder_layer_cost_from_json(const nlohmann::json& json);

}  // namespace vcas::control
