#pragma once

#include <string>

namespace vcas::formats {

/// Name of this machine; "localhost" where it has none.
std::string host_name();

}  // namespace vcas::formats
