#include "training/run/run.h"

#include <fmt/format.h>

#include <numeric>
#include <system_error>
#include <utility>

#include "formats/atomic_directory.h"
#include "ops/dtype_name.h"
#include "training/run/checkpoint.h"
#include "vcas/formats/error.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kStateVersion = 6;

void require_same_options(const fs::path& checkpoint, const nlohmann::json& saved,
                          const nlohmann::json& present) {
  for (const auto& [key, value] : present.items()) {
    if (!saved.contains(key)) {
      throw formats::InputError(checkpoint.string(), fmt::format("expected the option {}, got none", key));
    }
    if (saved.at(key) != value) {
      throw formats::InputError(checkpoint.string(),
                                fmt::format("{}: expected {} as in the run that is resumed, got {}", key,
                                            saved.at(key).dump(), value.dump()));
    }
  }
}

std::optional<double> mean_sample_keep_ratio(const std::optional<SamplingStatus>& status) {
  if (!status || status->sample_keep_ratio.empty()) return std::nullopt;
  const auto& ratios = status->sample_keep_ratio;
  return std::accumulate(ratios.begin(), ratios.end(), 0.0) / static_cast<double>(ratios.size());
}

}  // namespace

Run::Run(const TrainOptions& options, RunSettings settings, Task& task, Method& method)
    : options_(options),
      settings_(std::move(settings)),
      task_(task),
      method_(method),
      trainer_(options, task, method) {
  settings_.fingerprint["method"] = method.name();
  settings_.fingerprint["seed"] = options.seed;
  settings_.fingerprint["per_device_train_batch_size"] = options.per_device_train_batch_size;
  settings_.fingerprint["gradient_accumulation_steps"] = options.gradient_accumulation_steps;
  settings_.fingerprint["micro_batches_per_epoch"] = trainer_.micro_batches_per_epoch();
}

void Run::resume(const fs::path& checkpoint) {
  const Checkpoint saved = load_checkpoint(checkpoint);
  const auto version = saved.state.value("version", nlohmann::json());
  if (version != kStateVersion) {
    throw formats::InputError(checkpoint.string(), fmt::format("expected a checkpoint of version {}, got {}",
                                                               kStateVersion, version.dump()));
  }
  require_same_options(checkpoint, saved.state.at("options"), settings_.fingerprint);
  task_.load_model(checkpoint);
  trainer_.load_state({saved.state.at("trainer"), saved.optimizer, saved.tensors});
  history_.load(saved.state.at("history"), saved.tensors);
  last_logged_step_ = saved.state.at("last_logged_step").get<int64_t>();
  evaluation_due_ = saved.state.value("evaluation_due", false);
  unwritten_lines_ = saved.state.value("unwritten_lines", nlohmann::json::object());
  resumed_step_ = trainer_.steps_done();
}

nlohmann::json Run::identity() const {
  return {{"task", settings_.task}, {"steps", trainer_.total_steps()}, {"settings", settings()}};
}

nlohmann::json Run::settings() const {
  auto settings = settings_.fingerprint;
  settings.update(settings_.result);
  return settings;
}

RunResult Run::execute() {
  MetricsLog log(settings_.output_dir, resumed_step_, unwritten_lines_);
  Progress progress(trainer_.total_steps(), trainer_.steps_done());
  // The signal that ended the run before came between a step and its evaluation.
  if (evaluation_due_ && !evaluate(log, progress)) return stopped(log);
  while (trainer_.steps_done() < trainer_.total_steps()) {
    after_step(trainer_.step(), log, progress);
    if (settings_.requests.stops()) return stopped(log);
  }
  if (auto result = finish(log, progress)) return std::move(*result);
  return stopped(log);
}

RunResult Run::stopped(MetricsLog& log) {
  const int signal = settings_.requests.stop_signal();
  auto checkpoint = save_checkpoint(log);
  log.require_written();
  return {summary(), signal, std::move(checkpoint), {}};
}

void Run::after_step(const StepReport& step, MetricsLog& log, Progress& progress) {
  history_.add(step);
  evaluation_.reset();
  progress.show(
      {step.step, trainer_.epoch(), step.loss, step.seconds, mean_sample_keep_ratio(method_.status())});
  if (is_due(options_.logging_strategy, options_.logging_steps) ||
      (options_.logging_first_step && step.step == 1)) {
    log.write(logged_step(step));
    last_logged_step_ = step.step;
  }
  evaluation_due_ = is_due(options_.eval_strategy, options_.eval_steps.value_or(options_.logging_steps));
  if (evaluation_due_) evaluate(log, progress);
  const bool asked = settings_.requests.take_save();
  if (asked || is_due(options_.save_strategy, options_.save_steps)) try_to_save_checkpoint(log, progress);
}

LoggedStep Run::logged_step(const StepReport& step) const {
  const int64_t since_last = step.step - last_logged_step_;
  return {step.step,
          trainer_.epoch(),
          history_.mean_loss(since_last),
          step.learning_rate,
          step.gradient_norm,
          1000 * history_.mean_seconds(since_last),
          history_.clipped_fraction(),
          history_.flops().performed,
          method_.status()};
}

bool Run::evaluate(MetricsLog& log, Progress& progress) {
  if (settings_.requests.stops()) return false;
  trainer_.finish_updates();
  try {
    evaluation_ = task_.evaluate([this] { return settings_.requests.stops(); });
  } catch (const EvaluationStopped&) {
    return false;
  }
  evaluation_due_ = false;
  if (!evaluation_) return true;
  log.write(*evaluation_, trainer_.steps_done());
  progress.message(fmt::format("step {}: evaluation {}", trainer_.steps_done(), headline(*evaluation_)));
  return true;
}

fs::path Run::save_checkpoint(const MetricsLog& log) {
  const int64_t step = trainer_.steps_done();
  if (last_saved_step_ == step) return checkpoint_path(settings_.output_dir, step);
  trainer_.require_finite_weights();
  const TrainerState trainer = trainer_.state();
  Checkpoint checkpoint;
  checkpoint.state = {{"version", kStateVersion},
                      {"options", settings_.fingerprint},
                      {"trainer", trainer.numbers},
                      {"history", history_.numbers()},
                      {"last_logged_step", last_logged_step_},
                      {"evaluation_due", evaluation_due_},
                      {"unwritten_lines", log.unwritten()}};
  checkpoint.optimizer = trainer.optimizer;
  checkpoint.tensors = trainer.tensors;
  checkpoint.tensors.merge(history_.tensors());
  auto path = training::save_checkpoint(
      settings_.output_dir, step, checkpoint, [this](const fs::path& folder) { task_.save_model(folder); },
      options_.save_total_limit);
  last_saved_step_ = step;
  unsaved_ = false;
  return path;
}

void Run::try_to_save_checkpoint(const MetricsLog& log, Progress& progress) {
  try {
    save_checkpoint(log);
  } catch (const std::system_error& error) {
    unsaved_ = true;
    progress.message(fmt::format("vcas: warning: checkpoint-{} is not saved ({}); training goes on",
                                 trainer_.steps_done(), error.what()));
  }
}

std::optional<RunResult> Run::finish(MetricsLog& log, Progress& progress) {
  if (!evaluation_ && !evaluate(log, progress)) return std::nullopt;
  trainer_.require_finite_weights();
  // Asked for during the evaluation.
  if (settings_.requests.take_save()) try_to_save_checkpoint(log, progress);
  task_.save_model(settings_.output_dir);
  log.require_written();
  if (unsaved_) save_checkpoint(log);
  RunSummary result = summary();
  auto document = to_json(result);
  document["settings"] = settings();
  formats::write_file_atomically(settings_.output_dir / kSummaryFile, document.dump(2) + "\n");
  return RunResult{std::move(result), 0, {}, std::move(document)};
}

RunSummary Run::summary() const {
  return {settings_.task,
          std::string(method_.name()),
          options_.seed,
          trainer_.steps_done(),
          history_.train_loss(),
          evaluation_,
          history_.train_seconds(),
          history_.adaptation_seconds(),
          history_.step_milliseconds(),
          history_.flops(),
          settings_.threads,
          ops::dtype_name(options_.compute().precision)};
}

bool Run::is_due(IntervalStrategy strategy, int64_t interval) const {
  const int64_t step = trainer_.steps_done();
  if (strategy == IntervalStrategy::no) return false;
  // The end counts too, so that a short run leaves a line and a checkpoint.
  if (step == trainer_.total_steps()) return true;
  return step % (strategy == IntervalStrategy::steps ? interval : trainer_.steps_per_epoch()) == 0;
}

}  // namespace vcas::training
