#include "vcas/control/sampler.h"

#include <torch/custom_class.h>
#include <torch/library.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "json_text.h"
#include "sampling_plan.h"

namespace vcas::bindings {
namespace {

using Json = nlohmann::json;
using Tensors = std::vector<at::Tensor>;

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

control::Sampler sampler_from(const std::string& options, const std::string& layout,
                              const std::string& costs) {
  return read_json("sampler", [&] {
    const auto settings = parse_json(options, "options");
    return control::Sampler(options_from(settings), sampling::layout_from_json(parse_json(layout, "layout")),
                            settings.at("seed").get<uint64_t>(),
                            control::block_costs_from_json(parse_json(costs, "costs")));
  });
}

/// @param offsets by block, [weights, N+1] int64. @param sample_norms, row_scores by block.
sampling::PassStatistics statistics_from(const Tensors& offsets, const Tensors& sample_norms,
                                         const Tensors& row_scores) {
  TORCH_CHECK(sample_norms.size() == offsets.size() && row_scores.size() == offsets.size(),
              "sampler: expected offsets, norms and scores of as many blocks, got ", offsets.size(), ", ",
              sample_norms.size(), " and ", row_scores.size());
  sampling::PassStatistics statistics;
  for (size_t l = 0; l < offsets.size(); ++l) {
    const at::Tensor of_weights = offsets[l].to(at::kCPU, at::kLong).contiguous();
    TORCH_CHECK(of_weights.dim() == 2, "sampler: expected offsets [weights, N+1], got ", of_weights.sizes());
    const auto* begin = of_weights.const_data_ptr<int64_t>();
    std::vector<std::vector<int64_t>> by_weight;
    for (int64_t w = 0; w < of_weights.size(0); ++w, begin += of_weights.size(1))
      by_weight.emplace_back(begin, begin + of_weights.size(1));
    statistics.blocks.push_back(sampling::block_statistics(sample_norms[l], row_scores[l], by_weight));
  }
  return statistics;
}

/// control::PassRequest as Python holds it: torch.classes.vcas.PassRequest.
class PassRequest : public torch::CustomClassHolder {
 public:
  explicit PassRequest(control::PassRequest request) : request_(std::move(request)) {}
  c10::intrusive_ptr<SamplingPlan> plan() const { return c10::make_intrusive<SamplingPlan>(request_.plan); }
  bool statistics() const { return request_.statistics; }

 private:
  control::PassRequest request_;
};

/// control::Sampler as Python holds it: torch.classes.vcas.Sampler. Its member functions are those of the
/// same names; options, layout, costs, status and state are JSON text.
class Sampler : public torch::CustomClassHolder {
 public:
  /// @param options vcas.SamplingOptions. @param costs by block, or [].
  Sampler(const std::string& options, const std::string& layout, const std::string& costs)
      : sampler_(sampler_from(options, layout, costs)) {}

  bool measures(int64_t number, bool full_size) const {
    return sampler_.measures({.number = number, .full_size = full_size});
  }

  /// @param samples, weight_rows by block.
  c10::intrusive_ptr<SamplingPlan> plan(const std::vector<int64_t>& samples,
                                        const std::vector<std::vector<int64_t>>& weight_rows) {
    std::vector<sampling::BlockRows> rows;
    for (size_t l = 0; l < samples.size(); ++l) rows.push_back({samples[l], weight_rows.at(l)});
    return c10::make_intrusive<SamplingPlan>(sampler_.plan(rows));
  }

  c10::intrusive_ptr<SamplingPlan> ungated_plan() const {
    return c10::make_intrusive<SamplingPlan>(sampler_.ungated_plan());
  }

  c10::intrusive_ptr<PassRequest> exact_pass() const {
    return c10::make_intrusive<PassRequest>(sampler_.exact_pass());
  }

  /// @param offsets, sample_norms, row_scores as of statistics_from().
  std::vector<c10::intrusive_ptr<PassRequest>> trial_passes(const Tensors& offsets,
                                                            const Tensors& sample_norms,
                                                            const Tensors& row_scores) const {
    std::vector<c10::intrusive_ptr<PassRequest>> requests;
    for (auto& request : sampler_.trial_passes(statistics_from(offsets, sample_norms, row_scores)))
      requests.push_back(c10::make_intrusive<PassRequest>(std::move(request)));
    return requests;
  }

  /// @param offsets, sample_norms, row_scores of the exact pass.
  /// @param trial_norms, trial_scores by trial pass; empty where its statistics were not asked for.
  void observe(int64_t number, bool full_size, const Tensors& offsets, const Tensors& sample_norms,
               const Tensors& row_scores, Tensors gradients, const std::vector<double>& squared_errors,
               const std::vector<Tensors>& trial_norms, const std::vector<Tensors>& trial_scores) {
    control::Observation observation{
        statistics_from(offsets, sample_norms, row_scores), std::move(gradients), {}};
    for (size_t i = 0; i < squared_errors.size(); ++i) {
      auto& trial = observation.trials.emplace_back();
      trial.squared_error = squared_errors[i];
      if (!trial_norms.at(i).empty())
        trial.statistics = statistics_from(offsets, trial_norms[i], trial_scores.at(i));
    }
    sampler_.observe({.number = number, .full_size = full_size}, observation);
  }

  std::optional<std::vector<double>> statistics() const { return sampler_.statistics(); }
  bool solve(const std::vector<double>& sums) { return sampler_.solve(sums); }

  /// {"s", "sample_keep_ratio", "row_keep_ratio": {name: ratio}, "last_adaptation": null or {"v_sgd",
  /// "v_act", "v_w"}, "gated": null or {"blocks", "weights"}}.
  std::string status() const {
    const auto status = sampler_.status();
    Json json = {{"s", status.s},
                 {"sample_keep_ratio", status.sample_keep_ratio},
                 {"row_keep_ratio", status.row_keep_ratio},
                 {"last_adaptation", nullptr},
                 {"gated", nullptr}};
    if (const auto& report = status.last_adaptation)
      json["last_adaptation"] = {{"v_sgd", report->v_sgd}, {"v_act", report->v_act}, {"v_w", report->v_w}};
    if (const auto& gated = status.gated)
      json["gated"] = {{"blocks", gated->blocks}, {"weights", gated->weights}};
    return json.dump();
  }

  /// Those in force, by block: a list of entries and nulls.
  std::string costs() const { return control::to_json(sampler_.costs()).dump(); }

  std::string state() const { return sampler_.state().dump(); }
  Tensors state_tensors() const { return sampler_.state_tensors(); }
  void load_state(const std::string& state, const Tensors& tensors) {
    sampler_.load_state(parse_json(state, "sampler state"), tensors);
  }

 private:
  control::Sampler sampler_;
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(vcas, library) {
  register_sampling_plan(library);
  library.class_<PassRequest>("PassRequest")
      .def("plan", &PassRequest::plan)
      .def("statistics", &PassRequest::statistics);
  library.class_<Sampler>("Sampler")
      .def(torch::init<const std::string&, const std::string&, const std::string&>())
      .def("measures", &Sampler::measures)
      .def("plan", &Sampler::plan)
      .def("ungated_plan", &Sampler::ungated_plan)
      .def("exact_pass", &Sampler::exact_pass)
      .def("trial_passes", &Sampler::trial_passes)
      .def("observe", &Sampler::observe)
      .def("statistics", &Sampler::statistics)
      .def("solve", &Sampler::solve)
      .def("status", &Sampler::status)
      .def("costs", &Sampler::costs)
      .def("state", &Sampler::state)
      .def("state_tensors", &Sampler::state_tensors)
      .def("load_state", &Sampler::load_state);
}

}  // namespace vcas::bindings
