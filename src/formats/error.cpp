#include "vcas/formats/error.h"

#include <fmt/format.h>

namespace vcas::formats {

InputError::InputError(std::string_view source, std::string_view message)
    : std::runtime_error(fmt::format("{}: {}", source, message)) {}

InputError::InputError(std::string_view source, int64_t line, std::string_view message)
    : std::runtime_error(fmt::format("{}:{}: {}", source, line, message)) {}

}  // namespace vcas::formats
