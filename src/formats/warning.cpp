#include "formats/warning.h"

#include <string>

#include "formats/console.h"

namespace vcas::formats {

void warn(std::string_view message) { say("warning: " + std::string(message)); }

}  // namespace vcas::formats
