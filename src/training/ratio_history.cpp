#include "vcas/training/ratio_history.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "training/heat_map.h"
#include "vcas/formats/name_order.h"

namespace vcas::training {
namespace {

using nlohmann::json;

constexpr const char* kHowToRead =
    "Time goes from left, the first logged step, to right, the step of the picture. The bar is the scale: 1, "
    "everything is kept, on top; 0 below.";

double number_or_nan(const json& value) { return value.is_number() ? value.get<double>() : NAN; }

std::vector<double> sample_ratios(const json& rho) {
  std::vector<double> ratios;
  std::transform(rho.begin(), rho.end(), std::back_inserter(ratios), number_or_nan);
  return ratios;
}

std::vector<double> row_ratios(const json& nu, const std::vector<std::string>& weights) {
  std::vector<double> ratios;
  for (const auto& name : weights) {
    const auto found = nu.find(name);
    ratios.push_back(found == nu.end() ? NAN : number_or_nan(*found));
  }
  return ratios;
}

std::vector<std::string> sorted_names(const json& nu) {
  std::vector<std::string> names;
  for (const auto& [name, _] : nu.items()) names.push_back(name);
  std::sort(names.begin(), names.end(), formats::numbers_by_value);
  return names;
}

std::string weights_description(const std::vector<std::string>& weights) {
  std::string text =
      "ν, the share of the rows of the kept samples that the gradient of each weight is computed from. " +
      std::string(kHowToRead) + " From the top:\n\n";
  const std::vector<std::string> from_top(weights.rbegin(), weights.rend());
  for (const auto& name : from_top) text += "1. `" + name + "`\n";
  return text;
}

}  // namespace

bool RatioHistory::add(const json& line) {
  const auto rho = line.find("rho");
  if (rho == line.end() || !rho->is_array() || rho->empty()) return false;
  if (!columns_.empty() && rho->size() != columns_.front().rho.size()) return false;
  const json nu = line.value("nu", json());
  if (columns_.empty() && nu.is_object()) weights_ = sorted_names(nu);
  append({sample_ratios(*rho), row_ratios(nu, weights_)});
  step_ = line.value("step", int64_t{0});

  auto adaptation = json::array();
  for (const char* key : {"v_sgd", "v_act", "v_w", "s"}) adaptation.push_back(line.value(key, json()));
  adapted_ = adapted_ || adaptation != adaptation_;
  adaptation_ = std::move(adaptation);

  const int64_t missing = lines_ - drawn_lines_;
  if (missing < lines_per_column_ || !(adapted_ || 4 * missing >= lines_)) return false;
  drawn_lines_ = lines_;
  adapted_ = false;
  return true;
}

void RatioHistory::append(Column column) {
  ++lines_;
  if (!columns_.empty() && lines_in_last_ < lines_per_column_) {
    columns_.back() = std::move(column);
    ++lines_in_last_;
    return;
  }
  columns_.push_back(std::move(column));
  lines_in_last_ = 1;
  if (columns_.size() <= kMostColumns) return;
  static_assert(kMostColumns % 2 == 0, "all but the column that is one too many are merged in pairs");
  for (size_t pair = 0; pair < kMostColumns / 2; ++pair) columns_[pair] = std::move(columns_[2 * pair + 1]);
  columns_[kMostColumns / 2] = std::move(columns_.back());
  columns_.resize(kMostColumns / 2 + 1);
  lines_per_column_ *= 2;
}

std::vector<RatioHistory::Picture> RatioHistory::pictures() const {
  if (columns_.empty()) return {};
  std::vector<std::vector<double>> rho, nu;
  for (const auto& column : columns_) {
    rho.push_back(column.rho);
    nu.push_back(column.nu);
  }
  std::vector<Picture> result;
  result.push_back({"sampling/rho",
                    "ρ, the share of the samples that is kept in each block, the block nearest the input at "
                    "the bottom. " +
                        std::string(kHowToRead),
                    heat_map(rho)});
  if (!weights_.empty()) result.push_back({"sampling/nu", weights_description(weights_), heat_map(nu)});
  return result;
}

}  // namespace vcas::training
