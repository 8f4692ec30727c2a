#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "control/shipped_costs.h"
#include "vcas/control/benefit_gate.h"

namespace vcas::control {
namespace {

using nlohmann::json;

[[noreturn]] void fail(const std::string& where, const char* expected, const json& got) {
  throw std::invalid_argument(where + ": expected " + expected + ", got " + got.dump());
}

const json& member(const json& object, const std::string& where, const char* name) {
  if (!object.is_object()) fail(where, "an object", object);
  const auto found = object.find(name);
  if (found == object.end()) throw std::invalid_argument(where + ": expected the key '" + name + "'");
  return *found;
}

double seconds(const json& object, const std::string& where, const char* name) {
  const json& value = member(object, where, name);
  if (!value.is_number() || !(value.get<double>() >= 0) || !std::isfinite(value.get<double>()))
    fail(where + "." + name, "a number >= 0", value);
  return value.get<double>();
}

int64_t positive(const json& object, const std::string& where, const char* name) {
  const json& value = member(object, where, name);
  if (!value.is_number_integer() || value.get<int64_t>() < 1)
    fail(where + "." + name, "an integer >= 1", value);
  return value.get<int64_t>();
}

std::string dtype(const json& object, const std::string& where) {
  const json& value = member(object, where, "dtype");
  if (value != "float32" && value != "bfloat16") fail(where + ".dtype", "float32 or bfloat16", value);
  return value.get<std::string>();
}

EncoderLayerCost read_entry(const json& entry, const std::string& where) {
  EncoderLayerCost cost;
  cost.key = {positive(entry, where, "hidden_size"), positive(entry, where, "intermediate_size"),
              dtype(entry, where), positive(entry, where, "threads")};
  const json& block = member(entry, where, "block");
  const std::string in_block = where + ".block";
  cost.block = {seconds(block, in_block, "row"), seconds(block, in_block, "draw"),
                seconds(block, in_block, "batch_row")};
  const json& linears = member(entry, where, "weight_gradients");
  if (!linears.is_array()) fail(where + ".weight_gradients", "a list", linears);
  for (size_t i = 0; i < linears.size(); ++i) {
    const std::string at = where + ".weight_gradients[" + std::to_string(i) + "]";
    cost.linears.push_back({seconds(linears[i], at, "row"), seconds(linears[i], at, "draw"),
                            seconds(linears[i], at, "scored_row")});
  }
  return cost;
}

}  // namespace

json to_json(const EncoderLayerCost& cost) {
  json linears = json::array();
  for (const auto& linear : cost.linears) {
    linears.push_back({{"row", linear.row}, {"draw", linear.draw}, {"scored_row", linear.scored_row}});
  }
  return {
      {"hidden_size", cost.key.hidden_size},
      {"intermediate_size", cost.key.intermediate_size},
      {"dtype", cost.key.dtype},
      {"threads", cost.key.threads},
      {"block", {{"row", cost.block.row}, {"draw", cost.block.draw}, {"batch_row", cost.block.batch_row}}},
      {"weight_gradients", std::move(linears)}};
}

EncoderLayerCost encoder_layer_cost_from_json(const json& entry) { return read_entry(entry, "costs"); }

CostTable CostTable::from_json(const json& table) {
  const json& entries = member(table, "cost table", "entries");
  if (!entries.is_array()) fail("entries", "a list", entries);
  CostTable result;
  for (size_t i = 0; i < entries.size(); ++i)
    result.set(read_entry(entries[i], "entries[" + std::to_string(i) + "]"));
  return result;
}

json CostTable::to_json() const {
  json entries = json::array();
  for (const auto& entry : entries_) entries.push_back(control::to_json(entry));
  return {{"entries", std::move(entries)}};
}

void CostTable::set(EncoderLayerCost cost) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const EncoderLayerCost& entry) { return entry.key == cost.key; });
  if (found == entries_.end()) {
    entries_.push_back(std::move(cost));
  } else {
    *found = std::move(cost);
  }
}

const EncoderLayerCost* CostTable::find(const CostKey& key) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const EncoderLayerCost& entry) { return entry.key == key; });
  return found == entries_.end() ? nullptr : &*found;
}

const CostTable& CostTable::shipped() {
  static const CostTable table = from_json(json::parse(kShippedCosts));
  return table;
}

}  // namespace vcas::control
