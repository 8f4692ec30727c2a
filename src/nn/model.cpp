#include "vcas/nn/model.h"

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <set>
#include <utility>

namespace vcas::nn {
namespace {

std::string joined(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

/// Visits a module and all below it, each before its children, in the order of registration. Unlike
/// torch::nn::Module::named_modules() it does not ask for a shared pointer to the module itself.
template <typename Visit>
void for_each_module(const torch::nn::Module& module, const std::string& path, const Visit& visit) {
  visit(module, path);
  for (const auto& child : module.named_children())
    for_each_module(*child.value(), joined(path, child.key()), visit);
}

/// A parameter that a plain torch::nn::Module registered: a bias or a norm has no weight decay.
ParameterTraits default_traits(const at::Tensor& value) { return {/*weight_decay=*/value.dim() > 1}; }

}  // namespace

at::Tensor Module::add_parameter(const std::string& name, at::Tensor value) {
  const auto traits = default_traits(value);
  return add_parameter(name, std::move(value), traits);
}

at::Tensor Module::add_parameter(const std::string& name, at::Tensor value, const ParameterTraits& traits) {
  at::Tensor registered = register_parameter(name, std::move(value));
  traits_.insert_or_assign(name, traits);
  return registered;
}

std::vector<Parameter> Model::trainable_parameters() const {
  std::vector<Parameter> result;
  std::set<const c10::TensorImpl*> listed;
  for_each_module(*this, {}, [&](const torch::nn::Module& module, const std::string& path) {
    const auto* own = dynamic_cast<const Module*>(&module);
    for (const auto& item : module.named_parameters(/*recurse=*/false)) {
      const at::Tensor& value = item.value();
      if (!value.requires_grad() || !listed.insert(value.unsafeGetTensorImpl()).second) continue;
      const bool described = own != nullptr && own->has_traits(item.key());
      result.push_back(
          {joined(path, item.key()), value, described ? own->traits_of(item.key()) : default_traits(value)});
    }
  });
  return result;
}

std::vector<at::Tensor> Model::trainable_values() const {
  std::vector<at::Tensor> values;
  for (auto& parameter : trainable_parameters()) values.push_back(std::move(parameter.value));
  return values;
}

sampling::SamplingLayout Model::layout() const {
  std::map<const c10::TensorImpl*, int64_t> gradients;
  for (const auto& parameter : trainable_parameters()) {
    if (parameter.traits.below_topmost_sampling)
      gradients.emplace(parameter.value.unsafeGetTensorImpl(), static_cast<int64_t>(gradients.size()));
  }
  sampling::SamplingLayout layout;
  for_each_module(*this, {}, [&](const torch::nn::Module& module, const std::string& path) {
    const auto* sampled = dynamic_cast<const SampledModule*>(&module);
    if (sampled == nullptr) return;
    auto block = sampled->describe();
    block.name = path;
    const auto parameters = module.named_parameters(/*recurse=*/false);
    for (auto& weight : block.weights) {
      const at::Tensor* value = parameters.find(weight.name);
      TORCH_CHECK(value != nullptr, "layout: expected a parameter ", weight.name, " of ", path, ", got none");
      weight.name = joined(path, weight.name);
      const auto found = gradients.find(value->unsafeGetTensorImpl());
      weight.trainable = found != gradients.end();
      weight.gradient = weight.trainable ? found->second : 0;
    }
    layout.blocks.push_back(std::move(block));
  });
  return layout;
}

NamedTensors Model::own_tensors() const {
  NamedTensors tensors;
  std::set<const c10::TensorImpl*> listed;
  const auto add = [&](const auto& items) {
    for (const auto& item : items) {
      if (listed.insert(item.value().unsafeGetTensorImpl()).second)
        tensors[item.key()] = item.value().detach();
    }
  };
  add(named_parameters());
  add(named_buffers());
  return tensors;
}

void Model::load_own_tensors(const NamedTensors& tensors) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, target] : own_tensors()) {
    const auto found = tensors.find(name);
    TORCH_CHECK(found != tensors.end() && found->second.sizes() == target.sizes(),
                "model: expected a tensor ", name, " ", target.sizes(), ", got ",
                found == tensors.end() ? "none" : "another shape");
    target.copy_(found->second);
  }
}

Pass Model::make_pass(Recording recording, std::unique_ptr<Loss> loss, const Batch& batch) const {
  Flops outside = flops(batch, recording.compute());
  for (const auto& block : recording.blocks()) {
    outside.forward -= block.exact.forward;
    outside.backward -= block.exact.backward;
  }
  return {std::move(recording), trainable_values(), std::move(loss), outside, batch.sample_weights()};
}

}  // namespace vcas::nn
