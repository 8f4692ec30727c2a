#include "vcas/models/hugging_face/tensor_table.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

namespace vcas::models::hugging_face {
namespace {

/// An own tensor and its rule.
struct Place {
  const TensorRule* rule;
  at::Tensor value;
};

/// One tensor of a file: its parts in order, or the places of a tied parameter.
using FileTensor = std::vector<Place>;

/// A tensor of the file is either made of places 0..parts-1, or every place is all of it.
void check(const std::string& name, const FileTensor& places) {
  const int64_t parts = places.front().rule->parts;
  TORCH_CHECK(parts == 1 || std::ssize(places) == parts, "tensor table: expected ", parts, " parts of ", name,
              ", got ", places.size());
  for (int64_t i = 0; i < std::ssize(places); ++i) {
    const auto& [rule, value] = places[static_cast<size_t>(i)];
    TORCH_CHECK(rule->parts == parts && rule->part == (parts == 1 ? 0 : i), "tensor table: expected part ", i,
                " of ", parts, " of ", name, ", got part ", rule->part, " of ", rule->parts, " (", rule->own,
                ")");
    TORCH_CHECK(value.sizes() == places.front().value.sizes(), "tensor table: expected parts of ", name,
                " to have one shape, got ", places.front().value.sizes(), " and ", value.sizes());
    TORCH_CHECK(parts > 1 || value.is_alias_of(places.front().value),
                "tensor table: expected one tied parameter for ", name, ", got several (", rule->own, ")");
    TORCH_CHECK(!rule->transposed || value.dim() == 2, "tensor table: expected a matrix for ", rule->own,
                ", which is transposed, got ", value.sizes());
  }
}

/// Parameters and buffers by all their paths: a tied one has several.
nn::NamedTensors tensors_by_path(const nn::Model& model) {
  nn::NamedTensors tensors;
  for (const auto& item : model.named_parameters()) tensors[item.key()] = item.value().detach();
  for (const auto& item : model.named_buffers()) tensors[item.key()] = item.value().detach();
  return tensors;
}

/// The tensors of a file in the order of their names.
std::map<std::string, FileTensor> tensors_of_file(const nn::Model& model, const TensorTable& table) {
  const auto own = tensors_by_path(model);
  std::map<std::string, FileTensor> result;
  for (const auto& rule : table.rules) {
    const auto value = own.find(rule.own);
    TORCH_CHECK(value != own.end(), "tensor table: expected a tensor of the model, got ", rule.own);
    result[rule.file].push_back({&rule, value->second});
  }
  TORCH_CHECK(table.rules.size() == own.size(), "tensor table: expected a rule for each of the model's ",
              own.size(), " tensors, got ", table.rules.size());
  for (auto& [name, places] : result) {
    std::ranges::stable_sort(places, {}, [](const Place& place) { return place.rule->part; });
    check(name, places);
  }
  return result;
}

std::vector<int64_t> shape_in_file(const Place& place) {
  auto shape = place.value.sizes().vec();
  if (place.rule->parts > 1) shape.at(0) *= place.rule->parts;
  if (place.rule->transposed) std::swap(shape.at(0), shape.at(1));
  return shape;
}

bool has_shape(const Place& place, const at::Tensor& got) {
  return got.sizes() == at::IntArrayRef(shape_in_file(place));
}

/// A message when a file's tensor of the right shape has values that the model cannot have.
std::string misfit(const std::string& name, const Place& place, const at::Tensor& got) {
  if (got.is_floating_point() != place.value.is_floating_point()) {
    return fmt::format("{}: expected {} values, got {}", name,
                       place.value.is_floating_point() ? "floating point" : "integer",
                       c10::toString(got.scalar_type()));
  }
  const auto wrong = at::isfinite(got.to(place.value.scalar_type())).logical_not().flatten();
  if (!wrong.any().item<bool>()) return {};
  const auto first = wrong.to(at::kByte).argmax().item<int64_t>();
  return fmt::format("{}: expected finite values, got {} as value {} of {}", name,
                     got.flatten()[first].item<double>(), first, got.numel());
}

/// The names that a tensor may have in a file: with the prefix, or without it in a file of the backbone
/// alone, and each of them as older files have it.
std::vector<std::string> names_in_files(const std::string& name, const TensorTable& table) {
  std::vector<std::string> names = {name};
  if (name.starts_with(table.prefix)) names.push_back(name.substr(table.prefix.size()));
  for (size_t i = 0, count = names.size(); i < count; ++i) {
    for (const auto& [part, older] : table.older_names) {
      const auto place = names[i].find(part);
      if (place != std::string::npos)
        names.push_back(std::string(names[i]).replace(place, part.size(), older));
    }
  }
  return names;
}

nn::NamedTensors::const_iterator find(const nn::NamedTensors& tensors, const std::string& name,
                                      const TensorTable& table) {
  for (const auto& candidate : names_in_files(name, table)) {
    if (const auto found = tensors.find(candidate); found != tensors.end()) return found;
  }
  return tensors.end();
}

void copy_parts(const FileTensor& places, const at::Tensor& tensor) {
  const auto& first = *places.front().rule;
  const auto whole = first.transposed ? tensor.t() : tensor;
  for (const auto& [rule, value] : places) {
    value.copy_(rule->parts == 1 ? whole : whole.narrow(0, rule->part * value.size(0), value.size(0)));
  }
}

at::Tensor joined(const FileTensor& places) {
  const auto& first = places.front();
  at::Tensor whole = first.value;
  if (first.rule->parts > 1) {
    std::vector<at::Tensor> parts;
    for (const auto& place : places) parts.push_back(place.value);
    whole = at::cat(parts);
  }
  return first.rule->transposed ? whole.t() : whole;
}

void initialise(const FileTensor& places, at::Generator& generator) {
  for (const auto& [rule, value] : places) {
    if (rule->initial.deviation == 0)
      value.fill_(rule->initial.mean);
    else
      value.normal_(rule->initial.mean, rule->initial.deviation, generator);
    if (rule->parts == 1) return;
  }
}

bool is_ignored(const std::string& name, const TensorTable& table) {
  return std::ranges::any_of(table.ignored_endings,
                             [&](const auto& ending) { return name.ends_with(ending); });
}

}  // namespace

LoadReport load_file_tensors(nn::Model& model, const TensorTable& table, const nn::NamedTensors& tensors,
                             uint64_t seed, bool require_head, bool ignore_mismatched_sizes) {
  const at::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator(seed);
  LoadReport report;
  std::vector<std::string> problems;
  std::set<std::string> used;
  for (const auto& [name, places] : tensors_of_file(model, table)) {
    const Place& place = places.front();
    const auto found = find(tensors, name, table);
    const bool missing = found == tensors.end();
    if (!missing) used.insert(found->first);
    if (!missing && has_shape(place, found->second)) {
      auto problem = misfit(found->first, place, found->second);
      if (problem.empty())
        copy_parts(places, found->second);
      else
        problems.push_back(std::move(problem));
    } else if (missing ? place.rule->head && !require_head : ignore_mismatched_sizes) {
      initialise(places, generator);
      (missing ? report.initialised : report.resized).push_back(missing ? name : found->first);
    } else {
      problems.push_back(missing ? fmt::format("{}: missing", name)
                                 : fmt::format("{}: expected shape [{}], got [{}]", found->first,
                                               fmt::join(shape_in_file(place), ", "),
                                               fmt::join(found->second.sizes(), ", ")));
    }
  }
  if (!problems.empty()) throw std::invalid_argument(fmt::format("{}", fmt::join(problems, "; ")));
  for (const auto& [name, tensor] : tensors)
    if (!used.contains(name) && !is_ignored(name, table)) report.surplus.push_back(name);
  return report;
}

nn::NamedTensors file_tensors(const nn::Model& model, const TensorTable& table) {
  const at::NoGradGuard no_grad;
  nn::NamedTensors tensors;
  for (const auto& [name, places] : tensors_of_file(model, table)) tensors.emplace(name, joined(places));
  return tensors;
}

nn::NamedTensors initialise_backbone(nn::Model& model, const TensorTable& table, uint64_t seed) {
  const at::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator(seed);
  nn::NamedTensors backbone;
  for (const auto& [name, places] : tensors_of_file(model, table)) {
    if (places.front().rule->head) continue;
    initialise(places, generator);
    backbone.emplace(name, joined(places));
  }
  return backbone;
}

std::string file_name(const TensorTable& table, const std::string& own) {
  const auto rule = std::ranges::find(table.rules, own, &TensorRule::own);
  TORCH_CHECK(rule != table.rules.end(), "tensor table: expected a tensor of the model, got ", own);
  return rule->parts == 1 ? rule->file : fmt::format("{}[{}]", rule->file, rule->part);
}

}  // namespace vcas::models::hugging_face
