#include "vcas/training/run/launch.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "formats/atomic_directory.h"
#include "formats/warning.h"
#include "ops/dtype_name.h"
#include "training/methods/probe.h"
#include "training/run/checkpoint.h"
#include "training/run/finished_run.h"
#include "training/run/output_directory.h"
#include "training/run/run.h"
#include "vcas/formats/error.h"
#include "vcas/ops/precision.h"
#include "vcas/training/methods/calibration.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

/// Said once a run: results are correct either way.
void warn_of_slow(ops::Precision precision) {
  if (!ops::is_fast(ops::Precision::float32)) {
    formats::warn("products run without AVX-512 here (processor or ONEDNN_MAX_CPU_ISA): right, but slow");
  } else if (!ops::is_fast(precision)) {
    formats::warn(
        "products run without AVX512-BF16 here (processor or ONEDNN_MAX_CPU_ISA): slower than in float32");
  }
}

bool lies_in(const fs::path& checkpoint, const fs::path& output_dir) {
  return fs::exists(checkpoint) && fs::exists(output_dir) &&
         fs::equivalent(fs::canonical(checkpoint).parent_path(), output_dir);
}

bool is_auto(const RunOptions& options) { return options.resume_from_checkpoint == "auto"; }

std::optional<fs::path> find_checkpoint(const RunOptions& options) {
  if (options.resume_from_checkpoint.empty()) return std::nullopt;
  if (is_auto(options)) {
    if (list_checkpoints(options.output_dir).empty()) return std::nullopt;
    return newest_checkpoint(options.output_dir);
  }
  if (!fs::is_directory(options.resume_from_checkpoint)) {
    throw InputError(fmt::format("resume_from_checkpoint: expected auto or a checkpoint's folder, got '{}'",
                                 options.resume_from_checkpoint));
  }
  return fs::path(options.resume_from_checkpoint);
}

bool continues_run(const RunOptions& options, const std::optional<fs::path>& checkpoint) {
  return checkpoint && lies_in(*checkpoint, options.output_dir);
}

/// What the run did before, from a step on, if it went further then.
void leave_other_branch(const fs::path& output_dir, int64_t step) {
  remove_checkpoints_after(output_dir, step);
  fs::remove(output_dir / kSummaryFile);
}

control::CostTable cost_table(const RunOptions& options) {
  return options.cost_table.empty() ? control::CostTable::shipped() : read_cost_table(options.cost_table);
}

void write_documents(const Method& method, const fs::path& output_dir) {
  for (const auto& [name, document] : method.documents())
    formats::write_file_atomically(output_dir / name, document.dump(2) + "\n");
}

RunSettings settings_of(const RunOptions& options, const Task& task, const std::string& task_name,
                        const RunRequests& requests) {
  RunSettings settings{task_name,
                       options.output_dir,
                       requests,
                       task.fingerprint(),
                       result_settings(options, task),
                       at::get_num_threads()};
  settings.fingerprint["bf16"] = options.train.bf16;
  return settings;
}

}  // namespace

RunStart begin_run(const RunOptions& options, std::vector<fs::path> inputs) {
  auto output = std::make_shared<OutputDirectory>(options.output_dir);
  auto checkpoint = find_checkpoint(options);
  inputs.insert(inputs.end(), {options.cost_table, options.config_file});
  const bool continues = continues_run(options, checkpoint);
  if (checkpoint && !continues) inputs.push_back(*checkpoint);
  require_inputs_stay(options.output_dir, inputs);
  if (!continues && !options.overwrite_output_dir && !is_auto(options)) output->require_no_run();
  if (!continues) output->require_nothing_foreign();
  return {std::move(output), std::move(checkpoint)};
}

control::BlockCosts costs_of(const RunOptions& options, const nn::Model& model) {
  if (options.method.name != "vcas" || !options.benefit_gate) return {};
  const auto layout = model.layout();
  const std::string dtype = ops::dtype_name(options.train.compute().precision);
  const int64_t threads = at::get_num_threads();
  auto costs = cost_table(options).find(layout, "cpu", dtype, threads);
  std::set<std::string> unknown;
  for (size_t i = 0; i < layout.blocks.size(); ++i) {
    const auto& block = layout.blocks[i];
    if (costs[i] && costs[i]->weights.size() == block.weights.size()) continue;
    if (costs[i] && !options.cost_table.empty()) {
      throw InputError(options.cost_table.string(),
                       fmt::format("expected {} weight_gradients of {}, got {}", block.weights.size(),
                                   block.cost_key, costs[i]->weights.size()));
    }
    costs[i].reset();
    unknown.insert(block.cost_key.empty() ? block.name : block.cost_key);
  }
  if (unknown.empty()) return costs;
  const auto blocks = fmt::format("{} ({}, {} threads)", fmt::join(unknown, ", "), dtype, threads);
  if (!options.cost_table.empty())
    throw InputError(options.cost_table.string(), fmt::format("expected an entry for {}", blocks));
  formats::warn(
      fmt::format("no costs come with vcas for blocks of {}: all is sampled, paying or not (vcas calibrate "
                  "measures them, --cost_table reads them)",
                  blocks));
  return costs;
}

RunResult launch(const RunOptions& options, Task& task, const std::string& task_name, const RunStart& start,
                 const RunRequests& requests) {
  const auto& checkpoint = start.checkpoint;
  warn_of_slow(options.train.compute().precision);
  // A checkpoint holds the costs that its run began with.
  auto costs = checkpoint ? control::BlockCosts{} : costs_of(options, task.model());
  auto method = make_method(options.method, task.model(), options.train.seed, std::move(costs));
  ProbingMethod* probing = nullptr;
  if (options.probe) {
    auto probe = std::make_unique<ProbingMethod>(std::move(method), *options.probe,
                                                 options.output_dir / "probe.jsonl", task.model());
    probing = probe.get();
    method = std::move(probe);
  }
  Run run(options.train, settings_of(options, task, task_name, requests), task, *method);
  if (auto summary = finished_summary(options, start, run)) return {{}, 0, {}, std::move(*summary)};
  if (checkpoint) run.resume(*checkpoint);

  if (const int signal = requests.stop_signal()) return {{}, signal, {}, {}};
  if (continues_run(options, checkpoint))
    leave_other_branch(options.output_dir, run.steps_done());
  else
    start.output->remove_previous_run();
  write_documents(*method, options.output_dir);
  auto result = run.execute();
  if (probing != nullptr) probing->require_written();
  return result;
}

}  // namespace vcas::training
