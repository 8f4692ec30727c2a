#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace vcas::report {
namespace {

constexpr size_t kMostMarkedPoints = 40;

std::vector<double> at(const std::vector<double>& values, const std::vector<size_t>& kept) {
  std::vector<double> chosen;
  chosen.reserve(kept.size());
  for (const size_t i : kept) chosen.push_back(rounded(values[i]));
  return chosen;
}

bool has_point(const Curve& curve) {
  return std::any_of(curve.y.begin(), curve.y.end(), [](double y) { return std::isfinite(y); });
}

nlohmann::json trace_of(const Curve& curve, bool first_of_group) {
  const auto kept = thinned(curve.x.size(), kMostPoints);
  nlohmann::json line = nlohmann::json::object();
  if (!curve.dash.empty()) line["dash"] = curve.dash;
  if (curve.steps) line["shape"] = "hv";
  return {{"type", "scatter"},
          {"mode", kept.size() > kMostMarkedPoints ? "lines" : "lines+markers"},
          {"name", curve.group},
          {"legendgroup", curve.group},
          {"showlegend", first_of_group},
          {"line", std::move(line)},
          {"x", at(curve.x, kept)},
          {"y", at(curve.y, kept)},
          {"meta", {{"series", curve.series}, {"color", curve.color}}}};
}

nlohmann::json chart(const std::string& id, const std::string& title, const std::string& note) {
  return {{"id", id}, {"title", title}, {"note", note}};
}

const std::string& title_of(const nlohmann::json& axis) {
  return axis.at("title").at("text").get_ref<const std::string&>();
}

}  // namespace

std::vector<size_t> thinned(size_t count, size_t most) {
  std::vector<size_t> kept;
  const size_t step = count <= most ? 1 : (count + most - 2) / (most - 1);  // one is left for the last
  for (size_t i = 0; i < count; i += step) kept.push_back(i);
  if (count > 0 && kept.back() != count - 1) kept.push_back(count - 1);
  return kept;
}

double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  return std::stod(fmt::format("{:.5e}", value));
}

nlohmann::json axis(const std::string& title) { return {{"title", {{"text", title}}}}; }

nlohmann::json logarithmic(nlohmann::json axis) {
  axis["type"] = "log";
  axis["exponentformat"] = "power";
  return axis;
}

nlohmann::json curve_chart(const std::string& id, const std::string& title, const std::string& note,
                           const std::vector<Curve>& curves, nlohmann::json x_axis, nlohmann::json y_axis,
                           bool shared_legend) {
  auto result = chart(id, title, note);
  result["columns"] = {"series", title_of(x_axis), title_of(y_axis)};
  result["data"] = nlohmann::json::array();
  std::set<std::string> groups;
  for (const auto& curve : curves) {
    if (has_point(curve)) result["data"].push_back(trace_of(curve, groups.insert(curve.group).second));
  }
  if (result["data"].empty()) return nullptr;
  result["layout"] = {{"xaxis", std::move(x_axis)},
                      {"yaxis", std::move(y_axis)},
                      {"showlegend", !shared_legend && groups.size() > 1}};
  return result;
}

nlohmann::json heat_map_chart(const std::string& id, const std::string& title, const std::string& note,
                              const HeatMap& map) {
  const auto kept = thinned(map.x.size(), kMostColumns);
  if (kept.empty() || map.rows.empty()) return nullptr;
  auto z = nlohmann::json::array();
  for (const auto& row : map.rows) z.push_back(at(row, kept));
  nlohmann::json trace = {{"type", "heatmap"}, {"x", at(map.x, kept)}, {"y", map.y}, {"z", std::move(z)}};
  if (map.share) trace.update({{"zmin", 0}, {"zmax", 1}});
  auto result = chart(id, title, note);
  result["columns"] = {map.x_name, map.y_name, map.value};
  result["data"] = nlohmann::json::array({std::move(trace)});
  result["layout"] = {{"xaxis", axis(map.x_name)}, {"yaxis", axis(map.y_name)}};
  result["layout"]["yaxis"].update({{"type", "category"}, {"dtick", 1}});
  return result;
}

}  // namespace vcas::report
