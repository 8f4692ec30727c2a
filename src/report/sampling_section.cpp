#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include "formats/name_order.h"
#include "report/chart.h"
#include "report/shown_run.h"

namespace vcas::report {
namespace {

std::vector<std::string> weights_of(const RunFiles& files) {
  std::set<std::string> names;
  for (const auto& line : files.metrics) {
    for (const auto& [name, _] : line.nu) names.insert(name);
  }
  std::vector<std::string> sorted(names.begin(), names.end());
  std::sort(sorted.begin(), sorted.end(), formats::numbers_by_value);
  return sorted;
}

/// Without the parts that all of them begin with, and without ".weight".
std::vector<std::string> short_names(const std::vector<std::string>& names) {
  size_t common = names.front().size();
  for (const auto& name : names) {
    const auto differs = std::mismatch(name.begin(), name.end(), names.front().begin(), names.front().end());
    common = std::min(common, static_cast<size_t>(differs.first - name.begin()));
  }
  const size_t dot = names.front().rfind('.', common == 0 ? 0 : common - 1);
  const size_t begin = names.size() == 1 || dot == std::string::npos || dot >= common ? 0 : dot + 1;
  std::vector<std::string> shortened;
  for (const auto& name : names) {
    std::string_view rest = std::string_view(name).substr(begin);
    for (const std::string_view suffix : {".weight", ".dense"}) {
      if (rest.ends_with(suffix) && rest.size() > suffix.size()) rest.remove_suffix(suffix.size());
    }
    shortened.emplace_back(rest);
  }
  return shortened;
}

nlohmann::json row_ratios(const RunFiles& files) {
  const auto weights = weights_of(files);
  if (weights.empty()) return nullptr;
  HeatMap map{"ν", "step", "weight", {}, short_names(weights), {}, true};
  map.rows.resize(weights.size());
  for (const auto& line : files.metrics) {
    if (line.nu.empty()) continue;
    map.x.push_back(static_cast<double>(line.step));
    for (size_t i = 0; i < weights.size(); ++i) {
      const auto found = line.nu.find(weights[i]);
      map.rows[i].push_back(found == line.nu.end() ? NAN : found->second);
    }
  }
  return heat_map_chart("nu", "Rows kept for each weight's gradient, ν",
                        "Share of the rows of the kept samples.", map);
}

nlohmann::json sample_ratios(const RunFiles& files) {
  size_t blocks = 0;
  for (const auto& line : files.metrics) blocks = std::max(blocks, line.rho.size());
  HeatMap map{"ρ", "step", "block", {}, {}, {}, true};
  map.rows.resize(blocks);
  for (size_t block = 0; block < blocks; ++block) map.y.push_back(std::to_string(block));
  for (const auto& line : files.metrics) {
    if (line.rho.empty()) continue;
    map.x.push_back(static_cast<double>(line.step));
    for (size_t block = 0; block < blocks; ++block)
      map.rows[block].push_back(block < line.rho.size() ? line.rho[block] : NAN);
  }
  return heat_map_chart("rho", "Samples kept in each block, ρ",
                        "Share of a batch. Block 0 is nearest the input; the backward pass comes from above.",
                        map);
}

std::optional<double> product(std::optional<double> a, std::optional<double> b) {
  return a && b ? std::optional(*a * *b) : std::nullopt;
}

nlohmann::json variances(const RunFiles& files) {
  const auto curve_of = [&](const std::string& name, size_t color, const char* dash, const auto& value) {
    Curve curve{name, name, color, dash, true, {}, {}};
    for (const auto& line : files.metrics) {
      const std::optional<double> y = value(line);
      if (!y || !(*y > 0)) continue;  // a logarithmic axis has no place for it
      curve.x.push_back(static_cast<double>(line.step));
      curve.y.push_back(*y);
    }
    return curve;
  };
  return curve_chart(
      "variances", "Variances against their budgets",
      "V_s: of stochastic gradients; V_act: added by leaving out samples; V_w: by leaving out rows, summed "
      "over "
      "weights. Dashed and dotted: what the last two may reach, a share τ of V_s.",
      {curve_of("V_s", 0, "", [](const auto& line) { return line.v_sgd; }),
       curve_of("V_act", 1, "", [](const auto& line) { return line.v_act; }),
       curve_of("V_w", 2, "", [](const auto& line) { return line.v_w; }),
       curve_of("τ_act·V_s", 1, "dash",
                [](const auto& line) { return product(line.act_var_tau, line.v_sgd); }),
       curve_of("τ_w·V_s", 2, "dot", [](const auto& line) { return product(line.w_var_tau, line.v_sgd); })},
      axis("step"), logarithmic(axis("variance")), false);
}

nlohmann::json preserved_share(const RunFiles& files) {
  Curve curve{"s", "s", 0, "", true, {}, {}};
  for (const auto& line : files.metrics) {
    if (!line.s) continue;
    curve.x.push_back(static_cast<double>(line.step));
    curve.y.push_back(*line.s);
  }
  return curve_chart("s", "Share of gradient norms preserved, s",
                     "Each block keeps as many samples as hold this share of the batch's gradient norms.",
                     {curve}, axis("step"), axis("s"), false);
}

}  // namespace

nlohmann::json sampling_section(const std::vector<ShownRun>& runs) {
  auto views = nlohmann::json::array();
  for (const auto& run : runs) {
    auto charts = nlohmann::json::array();
    for (auto chart : {sample_ratios(*run.files), preserved_share(*run.files), variances(*run.files),
                       row_ratios(*run.files)}) {
      if (!chart.is_null()) charts.push_back(std::move(chart));
    }
    if (!charts.empty()) views.push_back({{"name", run.name}, {"charts", std::move(charts)}});
  }
  if (views.empty()) return nullptr;
  return {{"id", "sampling"},
          {"title", "What was kept"},
          {"text", "Of runs that leave out samples or rows. 1 is everything."},
          {"legend", nlohmann::json::array()},
          {"views", std::move(views)}};
}

}  // namespace vcas::report
