#include "cli/run_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

#include "cli/child_process.h"
#include "cli/commands.h"
#include "cli/held_folders.h"
#include "formats/atomic_directory.h"
#include "formats/console.h"
#include "formats/leftovers.h"
#include "training/run/signals.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"
#include "vcas/training/loop/evaluation.h"

namespace vcas::cli {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

/// Flags of VCAS that `vcas train` refuses by another method.
const std::set<std::string> kVcasOnly = {"cost_table"};

std::string text_or_none(const nlohmann::json& value) { return value.is_null() ? "none" : value.dump(); }

/// Names of the folders of the runs that a grid's result lists; none where it cannot be read.
std::vector<std::string> listed_folders(const fs::path& result) {
  std::vector<std::string> names;
  try {
    const auto document = formats::read_json(result);
    for (const auto& run : document.at("runs")) {
      auto name =
          report::run_folder_name(run.at("method").get<std::string>(), run.at("seed").get<uint64_t>());
      if (fs::path(name).filename() == name) names.push_back(std::move(name));
    }
  } catch (const InputError&) {                 // to be replaced in any case
  } catch (const nlohmann::json::exception&) {  // the same
  }
  return names;
}

bool is_vcas(const Variant& variant) { return variant.flags.at("method") == "vcas"; }

}  // namespace

RunGrid::RunGrid(RunGridOptions options, const std::map<std::string, std::string>& given,
                 training::RunRequests requests)
    : options_(std::move(options)), requests_(std::move(requests)), output_(options_.training.output_dir) {
  for (const auto& [name, value] : given) {
    if (!options_.own_flags.contains(name) && name != "seed")
      settings_[name] = value.empty() ? "true" : value;
  }
  // Checkpoints of many runs would fill the disk.
  if (!settings_.contains("save_strategy")) settings_["save_strategy"] = "no";
  require_inputs_stay();
  read_previous();
  require_usable_folders();
}

int RunGrid::execute() {
  wait_until_free(run_folders(), requests_);
  if (const int signal = requests_.stop_signal()) return 128 + signal;
  formats::sweep_leftovers(options_.training.output_dir,
                           [this](const fs::path& target) { return target == result_path(); });
  if (options_.training.overwrite_output_dir) remove_previous();
  write_result();  // so that a grid that is stopped in its first run is known again
  // By seed, so that whatever the machine does meets all variants.
  for (int64_t i = 0; i < options_.seeds; ++i) {
    for (const auto& variant : options_.variants) {
      const uint64_t seed = options_.training.train.seed + static_cast<uint64_t>(i);
      if (is_done(variant, seed)) continue;
      if (const int signal = requests_.stop_signal()) return 128 + signal;
      if (const int status = train(variant, seed)) return status;
    }
  }
  write_result();
  return kExitDone;
}

std::string RunGrid::table() const {
  return report::comparison_table(report::compare_methods(chosen_runs()));
}

fs::path RunGrid::result_path() const { return options_.training.output_dir / options_.result_file; }

fs::path RunGrid::folder_of(const Variant& variant, uint64_t seed) const {
  return options_.training.output_dir / report::run_folder_name(variant.name, seed);
}

std::vector<fs::path> RunGrid::run_folders() const {
  std::vector<fs::path> folders;
  for (int64_t i = 0; i < options_.seeds; ++i) {
    for (const auto& variant : options_.variants)
      folders.push_back(folder_of(variant, options_.training.train.seed + static_cast<uint64_t>(i)));
  }
  return folders;
}

/// Those of this grid's runs, and of the runs that it replaces: a later call must not go on from those.
std::vector<fs::path> RunGrid::folders_written() const {
  auto folders = run_folders();
  if (!options_.training.overwrite_output_dir) return folders;
  for (const auto& name : listed_folders(result_path())) {
    auto folder = options_.training.output_dir / name;
    if (std::ranges::find(folders, folder) == folders.end()) folders.push_back(std::move(folder));
  }
  return folders;
}

/// What the runs read is in none of their folders: said before the first of them begins.
void RunGrid::require_inputs_stay() const {
  auto inputs = options_.task.inputs();
  inputs.insert(inputs.end(), {options_.training.cost_table, options_.training.config_file});
  for (const auto& folder : folders_written()) training::require_inputs_stay(folder, inputs);
  tasks::require_writable_file("--output_dir", result_path(), inputs);
}

/// As `vcas train` would refuse them when their turn comes, of all runs that are not done.
void RunGrid::require_usable_folders() const {
  std::set<fs::path> done;
  for (const auto& run : runs_)
    done.insert(options_.training.output_dir / report::run_folder_name(run.method, run.seed));
  for (const auto& folder : folders_written())
    if (!done.contains(folder)) training::require_takes_run(folder);
}

void RunGrid::remove_previous() const {
  std::vector<std::unique_ptr<training::OutputDirectory>> held;  // all of them before any is changed
  for (const auto& folder : folders_written())
    if (fs::is_directory(folder)) held.push_back(std::make_unique<training::OutputDirectory>(folder));
  for (const auto& folder : held) folder->remove_run();
}

void RunGrid::read_previous() {
  const auto& folder = options_.training.output_dir;
  if (options_.training.overwrite_output_dir || output_.is_empty()) return;
  if (!fs::exists(result_path())) {
    throw InputError("--output_dir",
                     fmt::format("expected an empty folder or one with a {}, got '{}' with something else; "
                                 "--overwrite_output_dir writes into it all the same",
                                 options_.result_file, folder.string()));
  }
  const auto previous = formats::read_json(result_path());
  try {
    require_same_settings(previous.at("settings"));
    for (const auto& run : previous.at("runs")) runs_.push_back(report::ComparedRun::from_json(run));
  } catch (const nlohmann::json::exception& error) {
    throw InputError(result_path().string(), error.what());
  } catch (const std::invalid_argument& error) {
    throw InputError(result_path().string(), error.what());
  }
}

void RunGrid::require_same_settings(const nlohmann::json& previous) const {
  for (const auto* flags : {&previous, &settings_}) {
    for (const auto& [name, _] : flags->items()) {
      const auto before = previous.value(name, nlohmann::json()),
                 now = settings_.value(name, nlohmann::json());
      if (before == now) continue;
      throw InputError("--" + name, fmt::format("expected {} as in the runs that '{}' holds, got {}; "
                                                "--overwrite_output_dir replaces them",
                                                text_or_none(before), options_.training.output_dir.string(),
                                                text_or_none(now)));
    }
  }
}

/// Files may have other contents than when earlier runs read them, under the same names.
void RunGrid::require_same_data(const nlohmann::json& summary, const fs::path& folder) const {
  const auto settings = summary.value("settings", nlohmann::json::object());
  for (const auto& run : runs_) {
    if (!run.summary.contains("settings")) continue;  // an older version's
    const auto& others = run.summary.at("settings");
    for (const auto* key : {"training data", "held-out data", "model_name_or_path"}) {
      const auto before = others.value(key, nlohmann::json()), now = settings.value(key, nlohmann::json());
      if (before == now) continue;
      throw InputError(
          folder.string(),
          fmt::format("{}: expected {} as in the run {}, seed {}, got {}; its files have changed "
                      "since: --overwrite_output_dir replaces all runs",
                      key, text_or_none(before), run.method, run.seed, text_or_none(now)));
    }
  }
}

bool RunGrid::is_done(const Variant& variant, uint64_t seed) const {
  return std::any_of(runs_.begin(), runs_.end(),
                     [&](const auto& run) { return run.method == variant.name && run.seed == seed; });
}

int RunGrid::train(const Variant& variant, uint64_t seed) {
  const fs::path folder = folder_of(variant, seed);
  formats::say(fmt::format("{}, seed {}", variant.name, seed));
  if (const int status = run_self(train_arguments(variant, seed, folder), requests_)) return status;
  const auto summary = formats::read_json(folder / "summary.json");
  require_same_data(summary, folder);
  try {
    runs_.push_back({variant.name, seed, summary, per_example_values(folder)});
  } catch (const training::EvaluationStopped&) {
    return 128 + requests_.stop_signal();
  }
  write_result();
  return kExitDone;
}

std::vector<std::string> RunGrid::train_arguments(const Variant& variant, uint64_t seed,
                                                  const fs::path& folder) const {
  std::vector<std::string> arguments = {"train"};
  const auto add = [&](const std::string& name, const std::string& value) {
    arguments.push_back(fmt::format("--{}={}", name, value));
  };
  for (const auto& [name, value] : settings_.items()) {
    const bool left_out = kVcasOnly.contains(name) && !is_vcas(variant);
    if (!left_out && !variant.flags.contains(name)) add(name, value.get<std::string>());
  }
  for (const auto& [name, value] : variant.flags) add(name, value);
  add("seed", std::to_string(seed));
  add("output_dir", folder.string());
  add("resume_from_checkpoint", "auto");
  return arguments;
}

/// Metrics of a run by held-out example; nothing without held-out examples.
std::map<std::string, std::vector<double>> RunGrid::per_example_values(const fs::path& folder) const {
  if (!options_.task.evaluates()) return {};
  const auto batch_size = options_.training.train.per_device_eval_batch_size;
  return training::per_example_values(
      options_.task.evaluate(folder, batch_size, /*predictions=*/{}, [this] { return requests_.stops(); }));
}

/// Those that this call asks for, which may be fewer than lie there.
std::vector<report::ComparedRun> RunGrid::chosen_runs() const {
  const uint64_t first = options_.training.train.seed, end = first + static_cast<uint64_t>(options_.seeds);
  std::vector<report::ComparedRun> chosen;
  for (const auto& variant : options_.variants) {
    std::copy_if(runs_.begin(), runs_.end(), std::back_inserter(chosen), [&](const auto& run) {
      return run.method == variant.name && run.seed >= first && run.seed < end;
    });
  }
  return chosen;
}

void RunGrid::write_result() const {
  nlohmann::json json = {
      {"settings", settings_}, {"runs", nlohmann::json::array()}, {"methods", nlohmann::json::array()}};
  for (const auto& run : runs_) json["runs"].push_back(run.to_json());
  for (const auto& result : report::compare_methods(chosen_runs()))
    json["methods"].push_back(report::to_json(result));
  formats::write_file_atomically(result_path(), json.dump(2) + "\n");
}

int run_grid(const RunGridOptions& options, const FlagTable& flags) {
  const training::RunSignals signals;
  RunGrid grid(options, flags.effective(), signals.requests());
  const int status = grid.execute();
  if (status > 128) {
    formats::say(fmt::format("stopped; the same command{} goes on from here",
                             options.training.overwrite_output_dir ? " without --overwrite_output_dir" : ""));
  }
  if (status == kExitDone) fmt::print("{}", grid.table());
  return status;
}

}  // namespace vcas::cli
