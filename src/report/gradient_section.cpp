#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <utility>

#include "report/chart.h"
#include "report/shown_run.h"

namespace vcas::report {
namespace {

using Probes = std::vector<ProbeLine>;

/// Blocks over time. @param value of a block at a probe.
template <typename Value>
HeatMap by_block(const Probes& probes, std::string name, const Value& value) {
  HeatMap map{std::move(name), "micro-batch", "block", {}, {}, {}, true};
  map.rows.resize(probes.front().blocks.size());
  for (size_t block = 0; block < map.rows.size(); ++block) map.y.push_back(std::to_string(block));
  for (const auto& probe : probes) {
    map.x.push_back(static_cast<double>(probe.micro_batch));
    for (size_t block = 0; block < map.rows.size(); ++block)
      map.rows[block].push_back(value(probe.blocks[block]));
  }
  return map;
}

nlohmann::json sparsity(const Probes& probes, size_t j) {
  const double s = probes.front().s[j];
  return heat_map_chart(fmt::format("sparsity-{}", j), fmt::format("Gradient sparsity p(s), s = {}", s), "",
                        by_block(probes, fmt::format("p({})", s),
                                 [j](const ProbeLine::Block& block) { return block.keep_ratio[j]; }));
}

nlohmann::json median_norms(const Probes& probes) {
  auto map = by_block(probes, "log10 of the median norm", [](const ProbeLine::Block& block) {
    const double median = block.gradient_norms[std::size(kProbeQuantiles) / 2];
    return median > 0 ? std::log10(median) : NAN;
  });
  map.share = false;
  return heat_map_chart("median-norms", "Median gradient norm of a sample",
                        "At each block's output; logarithm to base 10.", map);
}

nlohmann::json last_quantiles(const Probes& probes) {
  const auto& blocks = probes.back().blocks;
  std::vector<Curve> curves;
  for (size_t i = 0; i < std::size(kProbeQuantiles); ++i) {
    const auto name = fmt::format("{:g} %", 100 * kProbeQuantiles[i]);
    Curve curve{name, name, i, "", false, {}, {}};
    for (size_t block = 0; block < blocks.size(); ++block) {
      const double norm = blocks[block].gradient_norms[i];
      curve.x.push_back(static_cast<double>(block));
      curve.y.push_back(norm > 0 ? norm : NAN);
    }
    curves.push_back(std::move(curve));
  }
  auto x = axis("block");
  x["dtick"] = blocks.size() > 12 ? 2 : 1;
  return curve_chart(
      "norm-quantiles", "Quantiles of gradient norms",
      fmt::format("Samples of the probe at micro-batch {}, the last.", probes.back().micro_batch), curves,
      std::move(x), logarithmic(axis("gradient norm of a sample")), false);
}

nlohmann::json sampling_variance(const Probes& probes) {
  std::vector<Curve> curves;
  for (size_t j = 0; j < probes.front().s.size(); ++j) {
    const auto name = fmt::format("s = {}", probes.front().s[j]);
    Curve curve{name, name, j, "", false, {}, {}};
    for (const auto& probe : probes) {
      if (!(probe.v_act[j] > 0 && probe.v_sgd > 0)) continue;  // a logarithmic axis has no place for it
      curve.x.push_back(static_cast<double>(probe.micro_batch));
      curve.y.push_back(probe.v_act[j] / probe.v_sgd);
    }
    curves.push_back(std::move(curve));
  }
  return curve_chart("variance-by-s", "Variance that leaving out samples would add",
                     "As a share of that of stochastic gradients, V_act(s) / V_s.", curves,
                     axis("micro-batch"), logarithmic(axis("V_act / V_s")), false);
}

}  // namespace

nlohmann::json gradient_section(const std::vector<ShownRun>& runs) {
  auto views = nlohmann::json::array();
  for (const auto& run : runs) {
    const auto& probes = run.files->probes;
    if (probes.empty()) continue;
    auto charts = nlohmann::json::array();
    const auto add = [&](nlohmann::json chart) {
      if (!chart.is_null()) charts.push_back(std::move(chart));
    };
    for (size_t j = 0; j < probes.front().s.size(); ++j) add(sparsity(probes, j));
    add(median_norms(probes));
    add(last_quantiles(probes));
    add(sampling_variance(probes));
    if (!charts.empty()) views.push_back({{"name", run.name}, {"charts", std::move(charts)}});
  }
  if (views.empty()) return nullptr;
  return {{"id", "gradients"},
          {"title", "What gradients look like"},
          {"text",
           "From vcas probe. p(s) is the share of a batch's samples, largest gradients first, that holds the "
           "share s of the sum of its gradient norms: the smaller, the sparser. Block 0 is nearest the "
           "input."},
          {"legend", nlohmann::json::array()},
          {"views", std::move(views)}};
}

}  // namespace vcas::report
