#include "vcas/training/loop/task.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "vcas/formats/error.h"
#include "vcas/nn/tensor_file.h"

namespace vcas::training {
namespace {

constexpr const char* kModelFile = "model.safetensors";

}  // namespace

void Task::save_model(const std::filesystem::path& folder) {
  nn::write_tensors(folder / kModelFile, model().own_tensors());
}

void Task::load_model(const std::filesystem::path& folder) {
  try {
    model().load_own_tensors(nn::read_tensors(folder / kModelFile));
  } catch (const c10::Error& error) {
    throw formats::InputError((folder / kModelFile).string(), error.what_without_backtrace());
  }
}

void set_visits(nn::Batch& batch, const std::vector<data::Visit>& visits) {
  batch.examples.clear();
  for (const auto& visit : visits) batch.examples.push_back(visit.example);
  batch.weights.clear();
  const auto is_weighted = [](const data::Visit& visit) { return visit.weight != 1; };
  if (std::none_of(visits.begin(), visits.end(), is_weighted)) return;
  for (const auto& visit : visits) batch.weights.push_back(visit.weight);
}

std::string list_examples(const nn::Batch& batch) {
  return fmt::format("{}", fmt::join(batch.examples, ", "));
}

}  // namespace vcas::training
