#pragma once

namespace vcas {

/// The version of this library, "major.minor.patch".
const char* version();

}  // namespace vcas
