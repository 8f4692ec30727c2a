#include "vcas/version.h"

namespace vcas {

const char* version() { return VCAS_VERSION; }

}  // namespace vcas
