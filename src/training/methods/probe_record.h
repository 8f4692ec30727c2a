#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "control/gradient_dispersion.h"
#include "vcas/sampling/layout.h"
#include "vcas/sampling/statistics.h"
#include "vcas/training/loop/method.h"
#include "vcas/training/methods/probe_options.h"

namespace vcas::training {

/// What one probe has seen so far.
class ProbeRecord {
 public:
  /// @param layout must outlive the record.
  ProbeRecord(const ProbeOptions& options, const sampling::SamplingLayout& layout, int64_t first_micro_batch);

  /// One batch's exact pass. @param gradients of the parameters below the topmost SampleA.
  void add_exact(const std::vector<sampling::BlockStatistics>& blocks,
                 const std::vector<at::Tensor>& gradients);
  /// The pass over that batch with SampleA at the j-th s.
  void add_sampled(size_t j, const std::vector<double>& sample_keep_ratio, double squared_error);
  /// Statistics of the one at reference_s.
  void add_reference(const std::vector<sampling::BlockStatistics>& blocks,
                     const std::vector<double>& sample_keep_ratio);

  int64_t batches() const { return gradients_.count(); }
  /// A line of probe.jsonl.
  nlohmann::json to_json(const std::optional<SamplingStatus>& present) const;

 private:
  struct Block {
    std::vector<double> gradient_norms;
    std::vector<double> keep_ratio;  ///< sums over batches, by s
  };
  struct Weight {
    std::vector<double> leverage_scores;
    std::vector<double> v_w;  ///< sums over batches, by row keep ratio
  };

  nlohmann::json mean(const std::vector<double>& sums) const;
  nlohmann::json weights_json() const;

  const ProbeOptions& options_;
  const sampling::SamplingLayout& layout_;
  int64_t first_;
  control::GradientDispersion gradients_;
  std::vector<double> v_act_;  ///< sums over batches, by s
  std::vector<Block> blocks_;
  std::map<std::string, Weight> weights_;  ///< trainable ones
};

}  // namespace vcas::training
