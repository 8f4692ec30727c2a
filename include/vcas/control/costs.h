#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "vcas/sampling/layout.h"

namespace vcas::control {

/// Everything that the costs of a block's backward pass depend on.
struct CostKey {
  std::string block = {};  ///< sampling::SampledBlock::cost_key
  std::string device = "cpu";
  std::string dtype = "float32";  ///< of the products: "float32", "bfloat16", …
  int64_t threads = 1;

  bool operator==(const CostKey&) const = default;
};

/// Seconds of a weight's gradient: row·r over r rows, and draw + scored_row·R on top where they are a sample
/// of R.
struct WeightGradientCost {
  double row = 0;
  double draw = 0;
  double scored_row = 0;
};

/// Seconds of a block's backward pass without weight gradients: row·r over r rows of kept samples, and
/// draw + batch_row·R on top where samples of a batch of R rows are left out.
struct BackwardCost {
  double row = 0;
  double draw = 0;
  double batch_row = 0;
};

/// A block's costs on one machine.
struct BlockCost {
  CostKey key = {};
  BackwardCost backward = {};
  std::vector<WeightGradientCost> weights = {};  ///< in the order of SampledBlock::weights
};

/// Costs of a layout's blocks; nothing for a block whose costs are unknown. Empty: none is known.
using BlockCosts = std::vector<std::optional<BlockCost>>;

/// Costs by key, as `vcas calibrate` measures them.
///   {"entries": [{"block": "transformer_layer 384x1536", "device": "cpu", "dtype": "float32", "threads": 2,
///                 "backward": {"row", "draw", "batch_row"},
///                 "weight_gradients": [{"row", "draw", "scored_row"}]}]}
/// Entries of earlier versions, with "hidden_size" and "intermediate_size", are read as transformer layers on
/// a CPU.
class CostTable {
 public:
  /// Costs that come with vcas: MiniLM-L6 and BERT-base, measured where docs/benchmarks was.
  static const CostTable& shipped();
  /// @throws std::invalid_argument "entries[0].backward.row: expected a number >= 0, got -1".
  static CostTable from_json(const nlohmann::json& json);
  nlohmann::json to_json() const;

  /// Adds an entry, or replaces the one of the same key.
  void set(BlockCost cost);
  /// Null for a key that is not there.
  const BlockCost* find(const CostKey& key) const;
  /// Costs of the blocks of a layout, by their cost keys.
  BlockCosts find(const sampling::SamplingLayout& layout, const std::string& device, const std::string& dtype,
                  int64_t threads) const;

 private:
  std::vector<BlockCost> entries_;
};

/// "transformer_layer 384x1536": cost_key of a transformer layer of hidden size H and intermediate size I.
std::string transformer_cost_key(int64_t hidden_size, int64_t intermediate_size);

/// A list of entries and nulls. @throws std::invalid_argument as CostTable::from_json.
nlohmann::json to_json(const BlockCosts& costs);
BlockCosts block_costs_from_json(const nlohmann::json& json);

}  // namespace vcas::control
