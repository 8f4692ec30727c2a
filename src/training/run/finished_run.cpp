#include "training/run/finished_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <string>
#include <vector>

#include "formats/atomic_directory.h"
#include "formats/console.h"
#include "formats/warning.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFinishedModel = "model.safetensors";

const char* name_of(SchedulerType type) {
  switch (type) {
    case SchedulerType::linear:
      return "linear";
    case SchedulerType::cosine:
      return "cosine";
    case SchedulerType::constant:
      return "constant";
    case SchedulerType::constant_with_warmup:
      return "constant_with_warmup";
  }
  return "";
}

nlohmann::json loop_settings(const TrainOptions& options) {
  const bool by_length = options.train_sampling_strategy == SamplingStrategy::group_by_length;
  return {{"learning_rate", options.learning_rate},
          {"weight_decay", options.weight_decay},
          {"adam_beta1", options.adam_beta1},
          {"adam_beta2", options.adam_beta2},
          {"adam_epsilon", options.adam_epsilon},
          {"max_grad_norm", options.max_grad_norm},
          {"lr_scheduler_type", name_of(options.lr_scheduler_type)},
          {"warmup_steps", options.warmup_steps},
          {"warmup_ratio", options.warmup_ratio},
          {"train_sampling_strategy", by_length ? "group_by_length" : "random"},
          {"keep_zeros", options.keep_zeros}};
}

std::string draw_name(const control::ControllerOptions& options) {
  return options.draw_method == sampling::DrawMethod::fixed ? "fixed" : "bernoulli";
}

nlohmann::json vcas_settings(const RunOptions& options) {
  const auto& controller = options.method.controller;
  nlohmann::json settings = {{"draw", draw_name(controller)},     {"act_var_tau", controller.act_var_tau},
                             {"w_var_tau", controller.w_var_tau}, {"cal_var_freq", controller.cal_var_freq},
                             {"cal_var_m", controller.cal_var_m}, {"benefit_gate", options.benefit_gate}};
  if (controller.policy == control::Policy::solve) {
    settings["controller"] = "solve";
    settings["cal_var_stretch"] = controller.cal_var_stretch;
  } else {
    settings["controller"] = "paper";
    settings["s_update_step"] = controller.s_update_step;
    settings["w_ratio_mul"] = controller.w_ratio_mul;
    settings["act_sched_decay"] = controller.act_sched_decay;
  }
  if (options.cost_table.empty()) {
    settings["cost_table"] = "shipped";
  } else if (fs::exists(options.cost_table)) {  // a run that goes on has its own copy, and needs it no more
    settings["cost_table"] = formats::sha256_of_file(options.cost_table);
  }
  return settings;
}

/// Of the method that trains, and of no other.
nlohmann::json method_settings(const RunOptions& options) {
  const auto& method = options.method;
  if (method.name == "vcas") return vcas_settings(options);
  if (method.name == "sb") {
    return {{"sb_beta", method.selective_backprop.beta},
            {"sb_history_size", method.selective_backprop.history_size}};
  }
  if (method.name == "ub")
    return {{"ub_keep_ratio", method.upper_bound.keep_ratio}, {"draw", draw_name(method.controller)}};
  return nlohmann::json::object();
}

/// "learning_rate 0.1 (got 0.2)" of each value that a finished run has otherwise, or not at all.
std::vector<std::string> differences(const nlohmann::json& expected, const nlohmann::json& found) {
  std::vector<std::string> result;
  for (const auto& [key, value] : expected.items()) {
    const auto other = found.is_object() ? found.value(key, nlohmann::json()) : nlohmann::json();
    if (other == value) continue;
    result.push_back(
        fmt::format("{} {} (got {})", key, value.dump(), other.is_null() ? "none" : other.dump()));
  }
  return result;
}

}  // namespace

nlohmann::json result_settings(const RunOptions& options, const Task& task) {
  auto settings = task.result_fingerprint();
  settings.update(loop_settings(options.train));
  settings.update(method_settings(options));
  if (options.probe) {
    settings["probe_steps"] = options.probe->probe_steps;
    settings["probe_batches"] = options.probe->probe_batches;
  }
  return settings;
}

std::optional<nlohmann::json> finished_summary(const RunOptions& options, const RunStart& start,
                                               const Run& run) {
  const auto& folder = options.output_dir;
  const auto file = folder / kSummaryFile;
  const bool goes_on = options.resume_from_checkpoint == "auto" && !options.overwrite_output_dir;
  if (!goes_on || !fs::exists(file)) return std::nullopt;
  auto summary = formats::read_json(file);
  if (!summary.is_object()) throw formats::InputError(file.string(), "expected an object of JSON");
  // As it is read back: a number that JSON cannot hold is null.
  const auto identity = nlohmann::json::parse(run.identity().dump());
  if (start.checkpoint && summary.value("steps", nlohmann::json()) != identity.at("steps"))
    return std::nullopt;

  std::vector<std::string> differ;
  for (const auto* key : {"task", "steps"}) {
    auto of_key = differences({{key, identity.at(key)}}, {{key, summary.value(key, nlohmann::json())}});
    differ.insert(differ.end(), of_key.begin(), of_key.end());
  }
  auto settings = differences(identity.at("settings"), summary.value("settings", nlohmann::json()));
  differ.insert(differ.end(), settings.begin(), settings.end());
  if (!differ.empty()) {
    throw formats::InputError("output_dir " + folder.string(),
                              fmt::format("expected a finished run with {}; replace it with "
                                          "--overwrite_output_dir, or choose another folder",
                                          fmt::join(differ, ", ")));
  }
  if (!fs::exists(folder / kFinishedModel)) {
    formats::warn(fmt::format("{} holds a finished run without its {}, which is made again", folder.string(),
                              kFinishedModel));
    return std::nullopt;
  }
  formats::say(folder.string() + " holds the finished run");
  return summary;
}

}  // namespace vcas::training
