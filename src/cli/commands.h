#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>
#include <vector>

namespace vcas::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFault = 1;
inline constexpr int kExitInput = 2;

/// A command: its flags are on the command line's parser; run it once that has parsed.
/// @return exit status. @throws formats::InputError for the user's mistakes.
using Command = std::function<int()>;

/// @param arguments the whole command line: --task decides about flags, and a message says how to resume.
Command add_train_command(CLI::App& app, const std::vector<std::string>& arguments);
Command add_probe_command(CLI::App& app, const std::vector<std::string>& arguments);
Command add_eval_command(CLI::App& app, const std::vector<std::string>& arguments);
Command add_compare_command(CLI::App& app, const std::vector<std::string>& arguments);
Command add_sweep_command(CLI::App& app, const std::vector<std::string>& arguments);
Command add_report_command(CLI::App& app);
Command add_calibrate_command(CLI::App& app);
Command add_info_command(CLI::App& app);

}  // namespace vcas::cli
