#include "training/probe_record.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "control/row_variance.h"
#include "training/host_values.h"
#include "vcas/training/history.h"

namespace vcas::training {
namespace {

constexpr double kQuantiles[] = {0, 0.1, 0.25, 0.5, 0.75, 0.9, 1};

nlohmann::json quantiles(std::vector<double> values) {
  auto result = nlohmann::json::array();
  if (values.empty()) return result;
  std::sort(values.begin(), values.end());
  for (const double share : kQuantiles) result.push_back(quantile(values, share));
  return result;
}

/// The rows that a linear computes, scores of the others being padding of the table.
int64_t rows_of(const control::SamplingLayout::Linear& linear, const std::vector<int64_t>& offsets) {
  return linear.one_row_per_sample ? static_cast<int64_t>(offsets.size()) - 1 : offsets.back();
}

}  // namespace

ProbeRecord::ProbeRecord(const ProbeOptions& options, const control::SamplingLayout& layout,
                         int64_t first_micro_batch)
    : options_(options), layout_(layout), first_(first_micro_batch), v_act_(options.s.size()) {
  blocks_.resize(layout.blocks.size());
  for (auto& block : blocks_) block.keep_ratio.resize(options.s.size());
}

void ProbeRecord::add_exact(const std::vector<sampling::SamplingStats>& blocks,
                            const std::vector<at::Tensor>& gradients) {
  gradients_.add(gradients);
  for (size_t l = 0; l < blocks_.size(); ++l) {
    const auto norms = to_vector<double>(blocks[l].sample_norms);
    blocks_[l].gradient_norms.insert(blocks_[l].gradient_norms.end(), norms.begin(), norms.end());
    for (size_t i = 0; i < layout_.blocks[l].size(); ++i) {
      const auto& linear = layout_.blocks[l][i];
      if (!linear.trainable) continue;
      auto& scores = weights_[linear.name].leverage_scores;
      auto of_batch = to_vector<double>(blocks[l].row_scores[static_cast<int64_t>(i)]);
      if (linear.one_row_per_sample) of_batch.resize(norms.size());
      scores.insert(scores.end(), of_batch.begin(), of_batch.end());
    }
  }
}

void ProbeRecord::add_sampled(size_t j, const std::vector<double>& sample_keep_ratio, double squared_error) {
  v_act_[j] += squared_error;
  for (size_t l = 0; l < blocks_.size(); ++l) blocks_[l].keep_ratio[j] += sample_keep_ratio[l];
}

void ProbeRecord::add_reference(const std::vector<sampling::SamplingStats>& blocks,
                                const std::vector<double>& sample_keep_ratio,
                                const std::vector<int64_t>& offsets) {
  const auto samples = static_cast<int64_t>(offsets.size()) - 1;
  for (size_t l = 0; l < blocks_.size(); ++l) {
    const int64_t kept = sampling::count_from_ratio(sample_keep_ratio[l], samples);
    const double kept_share = static_cast<double>(kept) / static_cast<double>(samples);
    for (size_t i = 0; i < layout_.blocks[l].size(); ++i) {
      const auto& linear = layout_.blocks[l][i];
      if (!linear.trainable) continue;
      const int64_t rows = rows_of(linear, offsets), compact = sampling::count_from_ratio(kept_share, rows);
      auto scores = to_vector<double>(blocks[l].row_scores[static_cast<int64_t>(i)]);
      scores.resize(static_cast<size_t>(rows));
      const control::RowVariance variance(std::move(scores));
      auto& v_w = weights_[linear.name].v_w;
      v_w.resize(options_.row_keep_ratio.size());
      for (size_t j = 0; j < v_w.size(); ++j)
        v_w[j] += variance.at(sampling::count_from_ratio(options_.row_keep_ratio[j], compact));
    }
  }
}

nlohmann::json ProbeRecord::mean(const std::vector<double>& sums) const {
  auto values = nlohmann::json::array();
  for (const double sum : sums) values.push_back(sum / static_cast<double>(batches()));
  return values;
}

nlohmann::json ProbeRecord::weights_json() const {
  const auto variances = gradients_.variances();
  auto weights = nlohmann::json::object();
  for (const auto& block : layout_.blocks) {
    for (const auto& linear : block) {
      if (!linear.trainable) continue;
      const auto& seen = weights_.at(linear.name);
      weights[linear.name] = {{"leverage_scores", quantiles(seen.leverage_scores)},
                              {"v_sgd", variances[static_cast<size_t>(linear.gradient_index)]},
                              {"v_w", mean(seen.v_w)}};
    }
  }
  return weights;
}

nlohmann::json ProbeRecord::to_json(const std::optional<SamplingStatus>& present) const {
  const auto variances = gradients_.variances();
  nlohmann::json line = {{"micro_batch", first_},
                         {"batches", batches()},
                         {"s", options_.s},
                         {"nu", options_.row_keep_ratio},
                         {"v_sgd", std::accumulate(variances.begin(), variances.end(), 0.0)},
                         {"v_act", mean(v_act_)},
                         {"blocks", nlohmann::json::array()},
                         {"weights", weights_json()},
                         {"present", nullptr}};
  for (const auto& block : blocks_)
    line["blocks"].push_back(
        {{"gradient_norms", quantiles(block.gradient_norms)}, {"keep_ratio", mean(block.keep_ratio)}});
  if (present) {
    line["present"] = {{"s", present->s ? nlohmann::json(*present->s) : nlohmann::json()},
                       {"rho", present->sample_keep_ratio},
                       {"nu", present->row_keep_ratio}};
  }
  return line;
}

}  // namespace vcas::training
