#include "training/methods/probe_record.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "control/row_variance.h"
#include "nn/host_values.h"
#include "vcas/training/loop/history.h"

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

}  // namespace

ProbeRecord::ProbeRecord(const ProbeOptions& options, const sampling::SamplingLayout& layout,
                         int64_t first_micro_batch)
    : options_(options), layout_(layout), first_(first_micro_batch), v_act_(options.s.size()) {
  blocks_.resize(layout.blocks.size());
  for (auto& block : blocks_) block.keep_ratio.resize(options.s.size());
}

void ProbeRecord::add_exact(const std::vector<sampling::BlockStatistics>& blocks,
                            const std::vector<at::Tensor>& gradients) {
  gradients_.add(gradients);
  for (size_t l = 0; l < blocks_.size(); ++l) {
    if (blocks[l].sample_norms.defined()) {
      const auto norms = nn::to_vector<double>(blocks[l].sample_norms);
      blocks_[l].gradient_norms.insert(blocks_[l].gradient_norms.end(), norms.begin(), norms.end());
    }
    for (size_t i = 0; i < layout_.blocks[l].weights.size(); ++i) {
      const auto& weight = layout_.blocks[l].weights[i];
      if (!weight.trainable || !blocks[l].weights[i].scores.defined()) continue;
      auto& scores = weights_[weight.name].leverage_scores;
      const auto of_batch = nn::to_vector<double>(blocks[l].weights[i].scores);
      scores.insert(scores.end(), of_batch.begin(), of_batch.end());
    }
  }
}

void ProbeRecord::add_sampled(size_t j, const std::vector<double>& sample_keep_ratio, double squared_error) {
  v_act_[j] += squared_error;
  for (size_t l = 0; l < blocks_.size(); ++l) blocks_[l].keep_ratio[j] += sample_keep_ratio[l];
}

void ProbeRecord::add_reference(const std::vector<sampling::BlockStatistics>& blocks,
                                const std::vector<double>& sample_keep_ratio) {
  for (size_t l = 0; l < blocks_.size(); ++l) {
    for (size_t i = 0; i < layout_.blocks[l].weights.size(); ++i) {
      const auto& weight = layout_.blocks[l].weights[i];
      if (!weight.trainable) continue;
      const auto& [offsets, scores, _] = blocks[l].weights[i];
      if (!scores.defined() || scores.numel() == 0) continue;
      const auto samples = static_cast<int64_t>(offsets.size()) - 1;
      const int64_t kept = sampling::count_from_ratio(sample_keep_ratio[l], samples);
      const int64_t available = sampling::available_rows(kept, samples, offsets.back());
      const control::RowVariance variance(nn::to_vector<double>(scores));
      auto& v_w = weights_[weight.name].v_w;
      v_w.resize(options_.row_keep_ratio.size());
      for (size_t j = 0; j < v_w.size(); ++j)
        v_w[j] += variance.at(sampling::count_from_ratio(options_.row_keep_ratio[j], available));
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
    for (const auto& weight : block.weights) {
      if (!weight.trainable) continue;
      const auto& seen = weights_.at(weight.name);
      weights[weight.name] = {{"leverage_scores", quantiles(seen.leverage_scores)},
                              {"v_sgd", variances[static_cast<size_t>(weight.gradient)]},
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
