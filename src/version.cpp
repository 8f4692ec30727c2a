#include "vcas/version.h"

namespace vcas {

const char* version() { return "0.1.0"; }

}  // namespace vcas
