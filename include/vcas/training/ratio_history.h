#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vcas/formats/png.h"

namespace vcas::training {

/// The keep ratios of a run so far, thinned to a bounded number of points in time, for pictures of them.
/// All of it follows from the lines of metrics.jsonl: a run that takes up its own draws the same pictures.
class RatioHistory {
 public:
  /// Beyond it two neighbouring columns become one, which has the later one's values.
  static constexpr size_t kMostColumns = 240;

  /// @param line of metrics.jsonl; one without "rho" counts for nothing.
  /// @return whether pictures are due: at the first line after an adaptation, or when a quarter of the lines
  /// is newer than the last pictures; never more often than columns begin. What is due counts as drawn.
  bool add(const nlohmann::json& line);
  /// Whether the last pictures lack a line.
  bool is_behind() const { return lines_ > drawn_lines_; }

  struct Picture {
    std::string tag;
    std::string description;
    formats::PaletteImage image;
  };
  /// ρ by block, and ν by weight where there is one: heat maps from the first line to the last.
  std::vector<Picture> pictures() const;
  /// Step of the last line.
  int64_t step() const { return step_; }

 private:
  struct Column {
    std::vector<double> rho, nu;
  };
  void append(Column column);

  std::vector<std::string> weights_;  ///< of ν, those of a lower block first
  std::vector<Column> columns_;
  int64_t lines_ = 0, drawn_lines_ = 0;
  int64_t lines_per_column_ = 1;
  int64_t lines_in_last_ = 0;
  int64_t step_ = 0;
  nlohmann::json adaptation_;  ///< what the last line says of the last adaptation
  bool adapted_ = false;       ///< since the last pictures
};

}  // namespace vcas::training
