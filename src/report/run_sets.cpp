#include "report/run_sets.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "vcas/formats/error.h"
#include "vcas/formats/json.h"

namespace vcas::report {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

constexpr const char* kGridFiles[] = {"compare.json", "sweep.json"};

std::vector<fs::path> grid_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const char* name : kGridFiles) {
    if (fs::is_regular_file(folder / name)) files.push_back(folder / name);
  }
  return files;
}

/// Sub-folders with a run, by name.
std::vector<fs::path> run_folders(const fs::path& folder) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && holds_run(entry.path())) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

ComparedRun compared_run(const nlohmann::json& json, const fs::path& source) {
  try {
    return ComparedRun::from_json(json);
  } catch (const nlohmann::json::exception& error) {
    throw InputError(source.string(), error.what());
  } catch (const std::invalid_argument& error) {
    throw InputError(source.string(), error.what());
  }
}

std::optional<ComparedRun> compared_of(const RunFiles& files, const std::string& group,
                                       const fs::path& folder) {
  if (files.summary.is_null()) return std::nullopt;
  return compared_run({{"method", group}, {"seed", files.summary.at("seed")}, {"summary", files.summary}},
                      folder / "summary.json");
}

std::string run_name(const std::string& group, std::string_view seed) {
  return fmt::format("{}, seed {}", group, seed);
}

/// What run_folder_name() made apart; the seed of another name is empty.
std::pair<std::string, std::string> group_and_seed(const std::string& name) {
  constexpr std::string_view kBetween = "-seed-";
  const auto place = name.rfind(kBetween);
  if (place == std::string::npos || place == 0) return {name, ""};
  const auto seed = name.substr(place + kBetween.size());
  if (seed.find_first_not_of("0123456789") != std::string::npos) return {name, ""};
  return {name.substr(0, place), seed};
}

void add_finished(std::vector<ReportedRun>& runs, const fs::path& result, std::set<std::string>& seen) {
  const auto json = formats::read_json(result);
  const auto& finished = formats::JsonObject(json, result.string()).value("runs");
  if (!finished.is_array()) throw InputError(result.string(), "key 'runs': expected an array");
  for (const auto& entry : finished) {
    auto run = compared_run(entry, result);
    const auto name = run_folder_name(run.method, run.seed);
    if (!seen.insert(name).second) continue;
    // The folder may have been removed for its size: the table needs none.
    const fs::path folder = result.parent_path() / name;
    RunFiles files = holds_run(folder) ? read_run(folder) : RunFiles{};
    files.summary = run.summary;
    runs.push_back(
        {run_name(run.method, std::to_string(run.seed)), run.method, std::move(files), std::move(run)});
  }
}

void add_other_folders(std::vector<ReportedRun>& runs, const fs::path& grid,
                       const std::set<std::string>& seen) {
  for (const auto& folder : run_folders(grid)) {
    const auto name = folder.filename().string();
    if (seen.contains(name)) continue;
    const auto [group, seed] = group_and_seed(name);
    auto files = read_run(folder);
    auto compared = compared_of(files, group, folder);
    runs.push_back(
        {seed.empty() ? name : run_name(group, seed), group, std::move(files), std::move(compared)});
  }
}

std::vector<ReportedRun> read_grid(const fs::path& folder) {
  std::vector<ReportedRun> runs;
  std::set<std::string> seen;
  for (const auto& file : grid_files(folder)) add_finished(runs, file, seen);
  add_other_folders(runs, folder, seen);
  if (!runs.empty()) return runs;
  throw InputError(folder.string(),
                   "expected a run (metrics.jsonl), or a folder of vcas compare or vcas sweep with runs in "
                   "it, got neither");
}

/// The last parts of each path that tell it from the others.
std::vector<std::string> short_names(const std::vector<fs::path>& folders) {
  std::vector<std::string> names(folders.size());
  for (size_t i = 0; i < folders.size(); ++i) {
    fs::path rest = folders[i].parent_path(), name = folders[i].filename();
    const auto ends_so = [&](const fs::path& other) {
      return other != folders[i] && other.string().ends_with(fmt::format("/{}", name.string()));
    };
    while (std::any_of(folders.begin(), folders.end(), ends_so) && rest.has_filename()) {
      name = rest.filename() / name;
      rest = rest.parent_path();
    }
    names[i] = name.string();
  }
  return names;
}

std::vector<fs::path> existing_folders(const std::vector<fs::path>& given) {
  std::vector<fs::path> folders;
  for (const auto& path : given) {
    if (!fs::is_directory(path)) {
      throw InputError(path.string(), fs::exists(path) ? "expected a folder, got a file"
                                                       : "expected an existing folder, got none");
    }
    const auto folder = fs::canonical(path);
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) folders.push_back(folder);
  }
  return folders;
}

bool differ_in_seeds_alone(const std::vector<const ComparedRun*>& runs) {
  std::set<uint64_t> seeds;
  std::set<nlohmann::json> lengths;
  for (const auto* run : runs) {
    seeds.insert(run->seed);
    lengths.insert(run->summary.at("steps"));
  }
  return seeds.size() == runs.size() && lengths.size() == 1;
}

/// Several single runs of one method, as long as each other and each with a seed of its own, are a group.
/// Others differ in more than their seeds, and each stands for itself.
void group_by_method(std::vector<ReportedRun>& runs) {
  std::map<std::string, std::vector<const ComparedRun*>> by_method;
  for (const auto& run : runs) {
    if (run.compared) by_method[run.files.summary.at("method")].push_back(&*run.compared);
  }
  for (auto& run : runs) {
    if (!run.compared) continue;
    const auto& alike = by_method.at(run.files.summary.at("method"));
    if (!differ_in_seeds_alone(alike))
      run.compared->method = run.name;
    else if (alike.size() > 1)
      run.group = run.compared->method;
  }
}

}  // namespace

std::vector<RunSet> read_run_sets(const std::vector<fs::path>& given) {
  const auto folders = existing_folders(given);
  const auto names = short_names(folders);
  std::vector<RunSet> sets;
  RunSet single;
  for (size_t i = 0; i < folders.size(); ++i) {
    if (!holds_run(folders[i])) {
      sets.push_back({names[i], read_grid(folders[i])});
      continue;
    }
    auto files = read_run(folders[i]);
    auto compared = compared_of(
        files, files.summary.is_null() ? "" : files.summary.at("method").get<std::string>(), folders[i]);
    single.runs.push_back({names[i], names[i], std::move(files), std::move(compared)});
  }
  group_by_method(single.runs);
  if (!single.runs.empty()) sets.insert(sets.begin(), std::move(single));
  return sets;
}

}  // namespace vcas::report
