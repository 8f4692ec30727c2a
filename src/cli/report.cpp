#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "formats/atomic_directory.h"
#include "formats/leftovers.h"
#include "report/page.h"
#include "vcas/formats/error.h"

namespace vcas::cli {
namespace {

namespace fs = std::filesystem;

struct ReportCommand {
  std::vector<std::string> runs;
  fs::path output;
  FlagTable flags;
};

fs::path output_of(const ReportCommand& command) {
  if (!command.output.empty()) return command.output;
  return (command.runs.size() == 1 ? fs::path(command.runs.front()) : fs::path(".")) / "report.html";
}

int run(ReportCommand& command, const CLI::App& parsed) {
  command.flags.apply(parsed);
  const auto output = output_of(command);
  const auto sets = report::read_run_sets({command.runs.begin(), command.runs.end()});
  tasks::require_writable_file("--output", output, {});
  if (output.extension() != ".html")
    throw formats::InputError("--output",
                              fmt::format("expected a name that ends with .html, got '{}'", output.string()));
  formats::sweep_leftovers_of(output);
  formats::write_file_atomically(output, report::report_page(report::report_content(sets)));
  fmt::print("{}\n", output.string());
  return kExitDone;
}

}  // namespace

Command add_report_command(CLI::App& app) {
  auto* parsed = app.add_subcommand("report", "One HTML page of curves and tables for runs already made");
  const auto command = std::make_shared<ReportCommand>();
  parsed->add_option("RUN", command->runs, "folders of runs, or of vcas compare or vcas sweep")
      ->type_name("DIR")
      ->required();
  command->flags.begin_group("Report");
  command->flags.add("output", command->output,
                     "page to write; by default report.html, in the folder where one is given", "FILE.html");
  command->flags.attach(*parsed);
  return [command, parsed] { return run(*command, *parsed); };
}

}  // namespace vcas::cli
