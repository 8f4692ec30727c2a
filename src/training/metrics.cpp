#include "vcas/training/metrics.h"

#include <sys/resource.h>

#include <string>

#include "vcas/formats/json.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMetricsFile = "metrics.jsonl";
constexpr const char* kEvaluationsFile = "evaluations.jsonl";

std::optional<int64_t> purge_step(std::optional<int64_t> resumed_step) {
  if (!resumed_step) return std::nullopt;
  return *resumed_step + 1;
}

int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
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

nlohmann::json to_json(const Evaluation& evaluation, int64_t step) {
  return {{"step", step},
          {"examples", evaluation.examples},
          {"loss", evaluation.loss},
          {"accuracy", evaluation.accuracy},
          {"macro_f1", evaluation.macro_f1},
          {"matthews", evaluation.matthews}};
}

MetricsLog::MetricsLog(const fs::path& output_dir, std::optional<int64_t> resumed_step)
    : lines_(output_dir / kMetricsFile, "step", resumed_step),
      evaluations_(output_dir / kEvaluationsFile, "step", resumed_step),
      events_(output_dir, purge_step(resumed_step)) {
  if (!resumed_step) return;
  for (const auto& line : formats::read_json_log(output_dir / kMetricsFile)) ratios_.add(line.object);
}

void MetricsLog::write(const LoggedStep& step) {
  const auto line = to_json(step);
  lines_.write(line);
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
  if (ratios_.add(line)) write_heat_maps();
  flush();
}

void MetricsLog::write_heat_maps() {
  for (const auto& [tag, description, image] : ratios_.pictures()) {
    events_.add_image(tag, formats::encode_png(image), image.width, image.height, ratios_.step(),
                      described_ ? "" : description);
  }
  described_ = true;
}

void MetricsLog::finish() {
  if (ratios_.is_behind()) write_heat_maps();
  flush();
}

void MetricsLog::write(const Evaluation& evaluation, int64_t step) {
  evaluations_.write(to_json(evaluation, step));
  events_.add_scalar("eval/loss", evaluation.loss, step);
  events_.add_scalar("eval/accuracy", evaluation.accuracy, step);
  events_.add_scalar("eval/macro_f1", evaluation.macro_f1, step);
  events_.add_scalar("eval/matthews", evaluation.matthews, step);
  flush();
}

void MetricsLog::flush() {
  lines_.flush();
  evaluations_.flush();
  events_.flush();
}

nlohmann::json to_json(const RunSummary& summary) {
  nlohmann::json json = {{"method", summary.method},
                         {"seed", summary.seed},
                         {"steps", summary.steps},
                         {"train_loss", summary.train_loss},
                         {"eval_loss", nullptr},
                         {"eval_accuracy", nullptr},
                         {"train_seconds", summary.train_seconds},
                         {"adaptation_seconds", summary.adaptation_seconds},
                         {"step_ms",
                          {{"median", summary.step_milliseconds.median},
                           {"p10", summary.step_milliseconds.p10},
                           {"p90", summary.step_milliseconds.p90}}},
                         {"flops",
                          {{"exact", summary.flops.exact},
                           {"performed", summary.flops.performed},
                           {"reduction", 1 - summary.flops.performed / summary.flops.exact}}},
                         {"peak_rss_bytes", peak_rss_bytes()},
                         {"device", "cpu"},
                         {"threads", summary.threads},
                         {"dtype", summary.dtype}};
  if (summary.evaluation) {
    json["eval_loss"] = summary.evaluation->loss;
    json["eval_accuracy"] = summary.evaluation->accuracy;
  }
  return json;
}

}  // namespace vcas::training
