#include <torch/custom_class.h>
#include <torch/library.h>

#include <cstdint>
#include <string>
#include <utility>

#include "json_text.h"
#include "vcas/control/costs.h"

namespace vcas::bindings {
namespace {

/// control::CostTable as Python holds it: torch.classes.vcas.CostTable.
class CostTable : public torch::CustomClassHolder {
 public:
  /// @param json the table; empty: the one that comes with vcas.
  explicit CostTable(const std::string& json)
      : table_(json.empty() ? control::CostTable::shipped() : read_json("costs", [&] {
          return control::CostTable::from_json(parse_json(json, "costs"));
        })) {}

  std::string to_json() const { return table_.to_json().dump(); }

  /// Costs of a layout's blocks: a list of entries and nulls, as the Sampler takes it.
  std::string find(const std::string& layout, const std::string& device, const std::string& dtype,
                   int64_t threads) const {
    const auto blocks =
        read_json("layout", [&] { return sampling::layout_from_json(parse_json(layout, "layout")); });
    return control::to_json(table_.find(blocks, device, dtype, threads)).dump();
  }

 private:
  control::CostTable table_;
};

std::string transformer_cost_key(int64_t hidden, int64_t intermediate) {
  return control::transformer_cost_key(hidden, intermediate);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(vcas, library) {
  library.class_<CostTable>("CostTable")
      .def(torch::init<const std::string&>())
      .def("to_json", &CostTable::to_json)
      .def("find", &CostTable::find);
  library.def("transformer_cost_key(int hidden, int intermediate) -> str", transformer_cost_key);
}

}  // namespace vcas::bindings
