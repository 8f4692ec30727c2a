#include "cli/common_flags.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>

namespace vcas::cli {

std::string task_in(const std::vector<std::string>& arguments) {
  constexpr std::string_view kFlag = "--task";
  const auto& names = tasks::task_names();
  std::string found = names.front();
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    std::string value;
    if (argument == kFlag && i + 1 < arguments.size()) value = arguments[i + 1];
    if (argument.starts_with("--task=")) value = argument.substr(kFlag.size() + 1);
    if (std::find(names.begin(), names.end(), value) != names.end()) found = value;
  }
  return found;
}

void add_task_flag(FlagTable& flags, CommonOptions& options) {
  std::vector<std::pair<std::string, std::string>> choices;
  for (const auto& name : tasks::task_names()) choices.emplace_back(name, name);
  flags.add_choice<std::string>("task", options.task, choices, "what the model learns",
                                {"image-classification", "mlm", "clm"});
}

void add_threads_flag(FlagTable& flags, CommonOptions& options) {
  flags.add("threads", options.threads, between(0, 4096), "0: one a core; results depend on the number");
}

void set_threads(int64_t threads) {
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

}  // namespace vcas::cli
