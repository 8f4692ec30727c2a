#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace vcas::report {

/// Points of a curve and cells along a heat map's time axis, at most: no screen shows more, and the page
/// stays small. Every n-th is taken, and the last.
inline constexpr size_t kMostPoints = 1000;
inline constexpr size_t kMostColumns = 300;

/// Indices that are kept of so many values.
std::vector<size_t> thinned(size_t count, size_t most);

/// To six significant digits, which is what the page holds.
double rounded(double value);

/// An axis in Plotly's terms.
nlohmann::json axis(const std::string& title);
nlohmann::json logarithmic(nlohmann::json axis);

/// A line of a chart.
struct Curve {
  std::string series;  ///< in hover texts and in the CSV
  std::string group;   ///< in the legend; curves of one group share its entry and colour
  size_t color = 0;    ///< of the page's palette
  std::string dash;    ///< Plotly's; empty: as the palette has it
  bool steps = false;  ///< a value holds until the next one
  std::vector<double> x, y;
};

/// @return {"id", "title", "note", "columns", "data", "layout"}: data and layout in Plotly's terms but for
/// the colours, which the page sets; columns are the CSV's header. Null without a point to show.
/// @param shared_legend the section has one for all its charts.
nlohmann::json curve_chart(const std::string& id, const std::string& title, const std::string& note,
                           const std::vector<Curve>& curves, nlohmann::json x_axis, nlohmann::json y_axis,
                           bool shared_legend);

/// Rows of cells over time.
struct HeatMap {
  std::string value;  ///< what a cell is
  std::string x_name, y_name;
  std::vector<double> x;
  std::vector<std::string> y;             ///< from below
  std::vector<std::vector<double>> rows;  ///< one a y, one value an x; not a number: an empty cell
  bool share = true;                      ///< between 0 and 1
};
/// The same. Null without a cell to show.
nlohmann::json heat_map_chart(const std::string& id, const std::string& title, const std::string& note,
                              const HeatMap& map);

}  // namespace vcas::report
