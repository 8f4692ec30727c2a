#pragma once

#include <filesystem>
#include <vector>

#include "vcas/training/run/requests.h"

namespace vcas::cli {

/// Waits while other processes write to folders of runs, as the run of a killed grid does that finishes its
/// step and saves: a minute at most, and not after a stop was asked for. Says so. Who still holds a folder
/// then keeps the next run out of it.
void wait_until_free(const std::vector<std::filesystem::path>& folders,
                     const training::RunRequests& requests);

}  // namespace vcas::cli
