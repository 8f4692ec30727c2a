#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <fstream>
#include <string>

#include "cli/commands.h"
#include "ops/kernels/gemm.h"
#include "vcas/formats/error.h"
#include "vcas/version.h"

namespace vcas::cli {
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

int run(const CLI::App& parsed) {
  if (!parsed.remaining().empty()) {
    throw formats::InputError(fmt::format("vcas info takes no flags, got '{}'", parsed.remaining().front()));
  }
  const std::string_view back_end =
      ops::kernels::brgemm_available() ? "brgemm (oneDNN micro-kernel)" : "at::mm";
  const std::string_view precisions =
      ops::is_fast(ops::Precision::bfloat16) ? "float32, bfloat16" : "float32";
  fmt::print("vcas          {}\n", version());
  fmt::print("libtorch      {}\n", TORCH_VERSION);
  fmt::print("compiler      {}\n", __VERSION__);
  fmt::print("devices       cpu: {} ({})\n", cpu_name(), at::get_cpu_capability());
  fmt::print("GEMM back end {}, {}\n", back_end, precisions);
  fmt::print("threads       {}\n", at::get_num_threads());
  return kExitDone;
}

}  // namespace

Command add_info_command(CLI::App& app) {
  auto* parsed = app.add_subcommand("info", "Versions, devices, GEMM back end, threads");
  parsed->allow_extras();
  return [parsed] { return run(*parsed); };
}

}  // namespace vcas::cli
