#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/temporary_folder.h"

namespace vcas::report {

inline nlohmann::json summary_of(const std::string& method, uint64_t seed, int64_t steps = 40) {
  return {{"method", method},
          {"seed", seed},
          {"steps", steps},
          {"train_loss", 0.5},
          {"eval_loss", 0.6},
          {"eval_accuracy", 0.75},
          {"train_seconds", 4},
          {"adaptation_seconds", 0.1},
          {"peak_rss_bytes", 1 << 30},
          {"flops", {{"exact", 1000}, {"performed", 800}, {"reduction", 0.2}}}};
}

/// Of a language model, which has no accuracy.
inline nlohmann::json language_summary(const std::string& method, uint64_t seed) {
  auto summary = summary_of(method, seed);
  summary.erase("eval_accuracy");
  summary["eval_loss"] = 3.5;
  summary["eval_perplexity"] = 33.1154;
  summary["eval_metrics"] = {{{"name", "loss"}, {"greater_is_better", false}},
                             {{"name", "perplexity"}, {"greater_is_better", false}}};
  return summary;
}

/// Folders of runs as the program leaves them.
class MadeRuns {
 public:
  const std::filesystem::path& path() const { return folder_.path(); }

  std::filesystem::path write(const std::filesystem::path& name, const std::string& content) const {
    auto file = path() / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }

  /// Lines of a run at steps 10 and 30.
  std::filesystem::path metrics(const std::string& run, const std::string& more = "") const {
    const auto line = [&](int step, double loss) {
      return fmt::format(R"({{"step":{},"loss":{},"step_ms":100{}}})", step, loss, more) + "\n";
    };
    return write(run + "/metrics.jsonl", line(10, 2.5) + line(30, 1.5)).parent_path();
  }

  std::filesystem::path finished(const std::string& run, const std::string& method, uint64_t seed,
                                 int64_t steps = 40, const std::string& more = "") const {
    write(run + "/summary.json", summary_of(method, seed, steps).dump());
    return metrics(run, more);
  }

 private:
  TemporaryFolder folder_;
};

inline constexpr const char* kSampled =
    R"(,"s":0.9,"rho":[0.5,0.75],"nu":{"layer.10.value.weight":0.2,"layer.2.value.weight":0.4},)"
    R"("v_sgd":8,"v_act":0.1,"v_w":0.05,"act_var_tau":0.025,"w_var_tau":0.05)";

inline constexpr const char* kProbe =
    R"({"micro_batch":0,"s":[0.5,0.9],"v_sgd":2,"v_act":[0.4,0.1],)"
    R"("blocks":[{"gradient_norms":[0,1,2,10,20,30,40],"keep_ratio":[0.2,0.6]},)"
    R"({"gradient_norms":[1,1,2,100,200,300,400],"keep_ratio":[0.3,0.7]}]})"
    "\n";

}  // namespace vcas::report
