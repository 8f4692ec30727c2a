#include "vcas/control/costs.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "control/shipped_costs.h"

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

std::string text(const json& object, const std::string& where, const char* name) {
  const json& value = member(object, where, name);
  if (!value.is_string() || value.get<std::string>().empty()) fail(where + "." + name, "a name", value);
  return value.get<std::string>();
}

/// Earlier versions knew transformer layers on CPUs alone.
bool is_earlier(const json& entry) { return entry.is_object() && entry.contains("hidden_size"); }

CostKey read_key(const json& entry, const std::string& where) {
  if (is_earlier(entry)) {
    const auto block = transformer_cost_key(positive(entry, where, "hidden_size"),
                                            positive(entry, where, "intermediate_size"));
    return {block, "cpu", text(entry, where, "dtype"), positive(entry, where, "threads")};
  }
  return {text(entry, where, "block"), text(entry, where, "device"), text(entry, where, "dtype"),
          positive(entry, where, "threads")};
}

BlockCost read_entry(const json& entry, const std::string& where) {
  BlockCost cost;
  cost.key = read_key(entry, where);
  const char* name = is_earlier(entry) ? "block" : "backward";
  const json& backward = member(entry, where, name);
  const std::string in_backward = where + "." + name;
  cost.backward = {seconds(backward, in_backward, "row"), seconds(backward, in_backward, "draw"),
                   seconds(backward, in_backward, "batch_row")};
  const json& weights = member(entry, where, "weight_gradients");
  if (!weights.is_array()) fail(where + ".weight_gradients", "a list", weights);
  for (size_t i = 0; i < weights.size(); ++i) {
    const std::string at = where + ".weight_gradients[" + std::to_string(i) + "]";
    cost.weights.push_back({seconds(weights[i], at, "row"), seconds(weights[i], at, "draw"),
                            seconds(weights[i], at, "scored_row")});
  }
  return cost;
}

json entry_json(const BlockCost& cost) {
  json weights = json::array();
  for (const auto& weight : cost.weights) {
    weights.push_back({{"row", weight.row}, {"draw", weight.draw}, {"scored_row", weight.scored_row}});
  }
  const auto& [row, draw, batch_row] = cost.backward;
  return {{"block", cost.key.block},
          {"device", cost.key.device},
          {"dtype", cost.key.dtype},
          {"threads", cost.key.threads},
          {"backward", {{"row", row}, {"draw", draw}, {"batch_row", batch_row}}},
          {"weight_gradients", std::move(weights)}};
}

}  // namespace

std::string transformer_cost_key(int64_t hidden_size, int64_t intermediate_size) {
  return "transformer_layer " + std::to_string(hidden_size) + "x" + std::to_string(intermediate_size);
}

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
  for (const auto& entry : entries_) entries.push_back(entry_json(entry));
  return {{"entries", std::move(entries)}};
}

void CostTable::set(BlockCost cost) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const BlockCost& entry) { return entry.key == cost.key; });
  if (found == entries_.end()) {
    entries_.push_back(std::move(cost));
  } else {
    *found = std::move(cost);
  }
}

const BlockCost* CostTable::find(const CostKey& key) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const BlockCost& entry) { return entry.key == key; });
  return found == entries_.end() ? nullptr : &*found;
}

BlockCosts CostTable::find(const sampling::SamplingLayout& layout, const std::string& device,
                           const std::string& dtype, int64_t threads) const {
  BlockCosts costs;
  for (const auto& block : layout.blocks) {
    const auto* cost = block.cost_key.empty() ? nullptr : find({block.cost_key, device, dtype, threads});
    costs.push_back(cost ? std::optional(*cost) : std::nullopt);
  }
  return costs;
}

const CostTable& CostTable::shipped() {
  static const CostTable table = from_json(json::parse(kShippedCosts));
  return table;
}

json to_json(const BlockCosts& costs) {
  json list = json::array();
  for (const auto& cost : costs) list.push_back(cost ? entry_json(*cost) : json());
  return list;
}

BlockCosts block_costs_from_json(const json& list) {
  if (!list.is_array()) fail("costs", "a list", list);
  BlockCosts costs;
  for (size_t i = 0; i < list.size(); ++i) {
    auto& cost = costs.emplace_back();
    if (!list[i].is_null()) cost = read_entry(list[i], "costs[" + std::to_string(i) + "]");
  }
  return costs;
}

}  // namespace vcas::control
