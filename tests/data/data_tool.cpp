// data_tool train|classes FILE...: what the readers of training files give, for tests that compare with
// Python. A line of JSON a file: {"texts", "labels" (their classes), "label_names"} or {"error"}. With
// "classes", numbers that are not whole are classes too.
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vcas/data/dataset.h"
#include "vcas/formats/error.h"

namespace {

using vcas::data::FloatLabels;

nlohmann::json read(const std::string& file, FloatLabels floats) {
  try {
    const auto data = vcas::data::read_training_file(file, {}, floats);
    nlohmann::json result = {{"texts", data.texts}, {"label_names", data.label_names}};
    result["labels"] = nlohmann::json::array();
    for (const auto label : data.labels) {
      result["labels"].push_back(data.label_names.at(static_cast<std::size_t>(label)));
    }
    return result;
  } catch (const vcas::formats::InputError& error) {
    return {{"error", error.what()}};
  }
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  if (arguments.empty() || (arguments[0] != "train" && arguments[0] != "classes")) {
    std::fputs("usage: data_tool train|classes FILE...\n", stderr);
    return 2;
  }
  const auto floats = arguments[0] == "classes" ? FloatLabels::classes : FloatLabels::refused;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    std::puts(read(arguments[i], floats).dump().c_str());
    std::fflush(stdout);
  }
}
