#include "training/run/metrics.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "formats/warning.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMetricsFile = "metrics.jsonl";
constexpr const char* kEvaluationsFile = "evaluations.jsonl";

std::optional<int64_t> purge_step(std::optional<int64_t> resumed_step) {
  if (!resumed_step) return std::nullopt;
  return *resumed_step + 1;
}

}  // namespace

nlohmann::json to_json(const LoggedStep& step) {
  nlohmann::json line = {{"step", step.step},
                         {"epoch", step.epoch},
                         {"loss", step.loss},
                         {"learning_rate", step.learning_rate},
                         {"grad_norm", step.gradient_norm},
                         {"step_ms", step.step_milliseconds},
                         {"flops_performed", step.flops_performed},
                         {"s", nullptr},
                         {"rho", nullptr},
                         {"nu", nullptr},
                         {"v_sgd", nullptr},
                         {"v_act", nullptr},
                         {"v_w", nullptr},
                         {"act_var_tau", nullptr},
                         {"w_var_tau", nullptr}};
  if (!step.sampling) return line;
  if (step.sampling->s) line["s"] = *step.sampling->s;
  line["rho"] = step.sampling->sample_keep_ratio;
  if (!step.sampling->row_keep_ratio.empty()) line["nu"] = step.sampling->row_keep_ratio;
  if (const auto& adaptation = step.sampling->last_adaptation) {
    line["v_sgd"] = adaptation->v_sgd;
    line["v_act"] = adaptation->v_act;
    line["v_w"] = adaptation->v_w;
  }
  if (const auto& budgets = step.sampling->budgets) {
    line["act_var_tau"] = budgets->act_var_tau;
    line["w_var_tau"] = budgets->w_var_tau;
  }
  const auto& gated = step.sampling->gated;
  if (gated && !(gated->blocks.empty() && gated->weights.empty()))
    line["gated"] = {{"blocks", gated->blocks}, {"weights", gated->weights}};
  return line;
}

MetricsLog::MetricsLog(const fs::path& output_dir, std::optional<int64_t> resumed_step,
                       const nlohmann::json& unwritten)
    : lines_(output_dir / kMetricsFile, "step", resumed_step, unwritten.value(kMetricsFile, "")),
      evaluations_(output_dir / kEvaluationsFile, "step", resumed_step,
                   unwritten.value(kEvaluationsFile, "")),
      events_(output_dir, purge_step(resumed_step)) {}

void MetricsLog::write(const LoggedStep& step) {
  lines_.write(to_json(step));
  events_.add_scalar("train/epoch", step.epoch, step.step);
  events_.add_scalar("train/loss", step.loss, step.step);
  events_.add_scalar("train/learning_rate", step.learning_rate, step.step);
  events_.add_scalar("train/grad_norm", step.gradient_norm, step.step);
  events_.add_scalar("train/clipped_fraction", step.clipped_fraction, step.step);
  events_.add_scalar("train/step_ms", step.step_milliseconds, step.step);
  if (const auto& sampling = step.sampling) {
    if (sampling->s) events_.add_scalar("sampling/s", *sampling->s, step.step);
    for (size_t block = 0; block < sampling->sample_keep_ratio.size(); ++block) {
      events_.add_scalar("sampling/rho/" + std::to_string(block), sampling->sample_keep_ratio[block],
                         step.step);
    }
    for (const auto& [name, ratio] : sampling->row_keep_ratio) {
      events_.add_scalar("sampling/nu/" + name, ratio, step.step);
    }
    if (const auto& adaptation = sampling->last_adaptation) {
      events_.add_scalar("sampling/v_sgd", adaptation->v_sgd, step.step);
      events_.add_scalar("sampling/v_act", adaptation->v_act, step.step);
      events_.add_scalar("sampling/v_w", adaptation->v_w, step.step);
    }
    if (const auto& gated = sampling->gated) {
      events_.add_scalar("sampling/gated_blocks", static_cast<double>(gated->blocks.size()), step.step);
      events_.add_scalar("sampling/gated_weights", static_cast<double>(gated->weights.size()), step.step);
    }
  }
  flush_or_say();
}

void MetricsLog::write(const Evaluation& evaluation, int64_t step) {
  evaluations_.write(to_json(evaluation, step));
  for (const auto& metric : evaluation.metrics) events_.add_scalar("eval/" + metric.name, metric.value, step);
  flush_or_say();
}

nlohmann::json MetricsLog::unwritten() const {
  return {{kMetricsFile, lines_.unwritten()}, {kEvaluationsFile, evaluations_.unwritten()}};
}

std::string MetricsLog::Refused::message() const {
  return fmt::format("cannot write {}: {}", file.string(), why.message());
}

void MetricsLog::require_written() {
  const auto refused = flush();
  if (!refused.empty()) {
    throw std::system_error(refused.front().why, "cannot write " + refused.front().file.string());
  }
}

std::vector<MetricsLog::Refused> MetricsLog::flush() {
  std::vector<Refused> refused;
  const auto note = [&](const std::error_code& why, const fs::path& file) {
    if (why) refused.push_back({file, why});
  };
  note(lines_.flush(), lines_.path());
  note(evaluations_.flush(), evaluations_.path());
  note(events_.flush(), events_.path());
  return refused;
}

void MetricsLog::flush_or_say() {
  std::set<fs::path> refused;
  for (const auto& file : flush()) {
    refused.insert(file.file);
    if (!said_.contains(file.file)) formats::warn(file.message() + "; training goes on");
  }
  said_ = std::move(refused);
}

}  // namespace vcas::training
