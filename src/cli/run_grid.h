#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "cli/common_flags.h"
#include "report/comparison.h"
#include "training/run/output_directory.h"
#include "vcas/training/run/options.h"
#include "vcas/training/run/requests.h"

namespace vcas::cli {

/// One way of training among those that are compared.
struct Variant {
  std::string name;                          ///< of its runs' folders and in the table
  std::map<std::string, std::string> flags;  ///< of `vcas train`, with "method" among them
};

/// What a grid of runs is made of.
struct RunGridOptions {
  training::RunOptions training;  ///< as given; output_dir is the grid's
  tasks::TaskProgram& task;       ///< with its flags
  int64_t seeds = 3;              ///< from training.train.seed on
  std::vector<Variant> variants;
  /// Flags given that are the grid's own, and not those of a single run.
  std::set<std::string> own_flags;
  std::string result_file;  ///< in output_dir
};

/// Runs of `vcas train` on one task, each a process of its own, with their results in one file: variants
/// times seeds. It can be gone on with at any moment, and be given more variants and seeds.
class RunGrid {
 public:
  /// @param given flags by name, as FlagTable::effective().
  /// @throws formats::InputError when output_dir holds something else, or runs with other flags, or what the
  /// runs read, or is held by another grid.
  RunGrid(RunGridOptions options, const std::map<std::string, std::string>& given,
          training::RunRequests requests);

  /// @return exit status of the run that failed or was stopped, or 0.
  int execute();
  std::string table() const;

 private:
  std::filesystem::path result_path() const;
  std::filesystem::path folder_of(const Variant& variant, uint64_t seed) const;
  std::vector<std::filesystem::path> run_folders() const;
  std::vector<std::filesystem::path> folders_written() const;
  void require_inputs_stay() const;
  void require_usable_folders() const;
  void remove_previous() const;
  void read_previous();
  void require_same_settings(const nlohmann::json& previous) const;
  void require_same_data(const nlohmann::json& summary, const std::filesystem::path& folder) const;
  bool is_done(const Variant& variant, uint64_t seed) const;
  int train(const Variant& variant, uint64_t seed);
  std::vector<std::string> train_arguments(const Variant& variant, uint64_t seed,
                                           const std::filesystem::path& folder) const;
  std::map<std::string, std::vector<double>> per_example_values(const std::filesystem::path& folder) const;
  std::vector<report::ComparedRun> chosen_runs() const;
  void write_result() const;

  RunGridOptions options_;
  training::RunRequests requests_;
  training::OutputDirectory output_;
  nlohmann::json settings_ = nlohmann::json::object();  ///< flags of every run as given, by name
  std::vector<report::ComparedRun> runs_;
};

/// Runs a grid to its end, prints its table. @return exit status.
int run_grid(const RunGridOptions& options, const FlagTable& flags);

}  // namespace vcas::cli
