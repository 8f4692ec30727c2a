#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "cli/process.h"
#include "formats/console.h"
#include "formats/nearest_name.h"
#include "vcas/formats/error.h"
#include "vcas/version.h"

namespace {

using vcas::cli::Command;

/// A step frees and allocates the same large blocks again and again. By default each comes fresh from the
/// kernel, and its page faults halve the speed of two threads.
void keep_freed_memory() {
  mallopt(M_MMAP_MAX, 0);  // M_MMAP_THRESHOLD cannot be raised above 32 MiB
  mallopt(M_TRIM_THRESHOLD, -1);
}

void require_known_command(const std::vector<std::string>& arguments,
                           const std::map<std::string, Command>& commands) {
  if (arguments.size() < 2 || arguments[1].starts_with('-') || commands.contains(arguments[1])) return;
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const auto& [name, command] : commands) names.push_back(name);
  throw vcas::formats::InputError(fmt::format("unknown command '{}'; available: {}{}", arguments[1],
                                              fmt::join(names, ", "),
                                              vcas::formats::nearest_hint(arguments[1], names)));
}

int run(const std::vector<std::string>& arguments) {
  CLI::App app(
      "Fine-tunes transformers exactly, or by variance-controlled adaptive sampling (VCAS): backward passes "
      "over the samples and rows that matter, at a bounded loss of precision.",
      "vcas");
  app.set_version_flag("--version", vcas::version());
  app.require_subcommand(1);
  app.footer(
      "vcas COMMAND --help lists the flags of a command. '-' and '_' are equal in their names.\n"
      "Exit status: 0 done, 1 a fault or a result that could not be written, 2 wrong input, 128 + signal "
      "after\n"
      "SIGINT, SIGTERM or SIGHUP (a run is saved first). SIGUSR1 saves a checkpoint.");
  app.get_formatter()->column_width(44);
  const std::map<std::string, Command> commands = {
      {"train", vcas::cli::add_train_command(app, arguments)},
      {"eval", vcas::cli::add_eval_command(app, arguments)},
      {"compare", vcas::cli::add_compare_command(app, arguments)},
      {"sweep", vcas::cli::add_sweep_command(app, arguments)},
      {"probe", vcas::cli::add_probe_command(app, arguments)},
      {"report", vcas::cli::add_report_command(app)},
      {"calibrate", vcas::cli::add_calibrate_command(app)},
      {"info", vcas::cli::add_info_command(app)}};
  require_known_command(arguments, commands);
  try {
    // CLI11 takes the arguments last one first, without the program's name.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend() - 1));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    throw vcas::formats::InputError(error.what());
  }
  return commands.at(app.get_subcommands().front()->get_name())();
}

}  // namespace

int main(int argc, char** argv) {
  vcas::cli::prepare_streams_and_signals();
  keep_freed_memory();
  try {
    const int status = run(vcas::tasks::with_underscores({argv, argv + argc}));
    std::cout.flush();  // CLI11 prints help there
    vcas::formats::require_results_written();
    return status;
  } catch (const vcas::formats::InputError& error) {
    vcas::formats::say(error.what());
    return vcas::cli::kExitInput;
  } catch (const std::exception& error) {
    vcas::formats::say(vcas::cli::message_of(error));
    return vcas::cli::kExitFault;
  }
}
