#pragma once

#include <c10/util/Exception.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace vcas::bindings {

/// JSON text as Python gives it. @throws c10::Error "costs: expected JSON, got ...".
inline nlohmann::json parse_json(const std::string& text, const char* what) {
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  TORCH_CHECK(!json.is_discarded(), what, ": expected JSON, got ", text.substr(0, 60));
  return json;
}

/// read(), whose faults become c10::Error: the Python package knows those of the library by it.
template <class Read>
auto read_json(const char* what, Read&& read) {
  try {
    return std::forward<Read>(read)();
  } catch (const std::invalid_argument& error) {
    TORCH_CHECK(false, error.what());
  } catch (const nlohmann::json::exception& error) {
    TORCH_CHECK(false, what, ": expected other JSON: ", error.what());
  }
}

}  // namespace vcas::bindings
