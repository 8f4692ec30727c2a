#include <c10/util/Exception.h>
#include <torch/custom_class.h>
#include <torch/library.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "sampling_plan.h"
#include "vcas/control/controller.h"

namespace vcas::bindings {
namespace {

using Json = nlohmann::json;
using Tensors = std::vector<at::Tensor>;

/// JSON, whose faults are those of the Python package, as the errors of everything else here.
Json parse(const std::string& text) {
  auto json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  TORCH_CHECK(!json.is_discarded(), "controller: expected JSON, got ", text.substr(0, 60));
  return json;
}

control::ControllerOptions options_from(const Json& json) {
  const auto policy = json.at("policy").get<std::string>();
  TORCH_CHECK(policy == "solve" || policy == "paper", "policy: expected solve or paper, got ", policy);
  control::ControllerOptions options;
  options.policy = policy == "paper" ? control::Policy::paper : control::Policy::solve;
  options.draw_method = draw_method_from(json.at("draw").get<std::string>());
  options.act_var_tau = json.at("act_var_tau");
  options.w_var_tau = json.at("w_var_tau");
  options.cal_var_freq = json.at("cal_var_freq");
  options.cal_var_stretch = json.at("cal_var_stretch");
  options.cal_var_m = json.at("cal_var_m");
  options.s_update_step = json.at("s_update_step");
  options.w_ratio_mul = json.at("w_ratio_mul");
  options.act_sched_decay = json.at("act_sched_decay");
  options.s_min = json.at("s_min");
  options.row_keep_ratio_min = json.at("row_keep_ratio_min");
  return options;
}

control::SamplingLayout layout_from(const Json& json) {
  control::SamplingLayout layout;
  for (const auto& block : json) {
    auto& linears = layout.blocks.emplace_back();
    for (const auto& linear : block) {
      linears.push_back({linear.at("name"), linear.at("one_row_per_sample"), linear.at("gradient_index"),
                         linear.at("trainable")});
    }
  }
  return layout;
}

std::vector<sampling::SamplingStats> stats_from(const Tensors& sample_norms, const Tensors& row_scores) {
  TORCH_CHECK(sample_norms.size() == row_scores.size(),
              "controller: expected norms and scores of as many blocks, got ", sample_norms.size(), " and ",
              row_scores.size());
  std::vector<sampling::SamplingStats> stats;
  for (size_t i = 0; i < sample_norms.size(); ++i) stats.push_back({sample_norms[i], row_scores[i], {}});
  return stats;
}

/// control::VarianceController as Python holds it: torch.classes.vcas.VarianceController. Options, layout and
/// state are JSON text.
class VarianceController : public torch::CustomClassHolder {
 public:
  /// @param options vcas.SamplingOptions. @param layout [block][linear] of {name, one_row_per_sample,
  /// gradient_index, trainable}.
  VarianceController(const std::string& options, const std::string& layout)
      : VarianceController(parse(options), layout_from(parse(layout))) {}

  bool adapts(int64_t micro_batch, bool full_size) const {
    return controller_.adapts(micro_batch, full_size);
  }

  c10::intrusive_ptr<SamplingPlan> plan() const {
    return c10::make_intrusive<SamplingPlan>(controller_.plan());
  }

  std::vector<c10::intrusive_ptr<SamplingPlan>> probe_plans(const Tensors& sample_norms) const {
    std::vector<c10::intrusive_ptr<SamplingPlan>> plans;
    for (auto& plan : controller_.probe_plans(stats_from(sample_norms, Tensors(sample_norms.size()))))
      plans.push_back(c10::make_intrusive<SamplingPlan>(std::move(plan)));
    return plans;
  }

  /// @param offsets N+1. @param sample_norms, row_scores of the exact pass, by block.
  /// @param sampled_norms, sampled_scores by pass and block; policy solve reads none.
  bool observe(int64_t micro_batch, std::vector<int64_t> offsets, const Tensors& sample_norms,
               const Tensors& row_scores, const std::vector<Tensors>& sampled_norms,
               const std::vector<Tensors>& sampled_scores, Tensors gradients,
               std::vector<double> squared_errors) {
    control::BatchObservation observation;
    observation.offsets = std::move(offsets);
    observation.exact = stats_from(sample_norms, row_scores);
    for (size_t i = 0; i < sampled_norms.size(); ++i)
      observation.sampled.push_back(stats_from(sampled_norms[i], sampled_scores.at(i)));
    observation.exact_gradients = std::move(gradients);
    observation.sampled_squared_error = std::move(squared_errors);
    return controller_.observe(micro_batch, observation);
  }

  double s() const { return controller_.s(); }
  /// V_s, V_act and V_w of the last adaptation.
  std::vector<double> report() const {
    const auto& report = controller_.last_report();
    return {report.v_sgd, report.v_act, report.v_w};
  }

  std::string state() const { return controller_.state().dump(); }
  Tensors state_tensors() const { return controller_.state_tensors(); }
  void load_state(const std::string& state, const Tensors& tensors) {
    controller_.load_state(parse(state), tensors);
  }

 private:
  VarianceController(const Json& options, control::SamplingLayout layout)
      : controller_(options_from(options), std::move(layout), options.at("seed").get<uint64_t>()) {}

  control::VarianceController controller_;
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(vcas, library) {
  library.class_<VarianceController>("VarianceController")
      .def(torch::init<const std::string&, const std::string&>())
      .def("adapts", &VarianceController::adapts)
      .def("plan", &VarianceController::plan)
      .def("probe_plans", &VarianceController::probe_plans)
      .def("observe", &VarianceController::observe)
      .def("s", &VarianceController::s)
      .def("report", &VarianceController::report)
      .def("state", &VarianceController::state)
      .def("state_tensors", &VarianceController::state_tensors)
      .def("load_state", &VarianceController::load_state);
}

}  // namespace vcas::bindings
