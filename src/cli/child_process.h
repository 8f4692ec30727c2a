#pragma once

#include <string>
#include <vector>

#include "vcas/training/run/requests.h"

namespace vcas::cli {

/// Runs this program with other arguments and waits for it. Its output is dropped, its messages are not. It
/// is told to stop when this process is killed.
/// @param arguments without the program's name.
/// @param requests what is asked of this process is passed on to it.
/// @return exit status, or 128 + the signal that ended it.
/// @throws std::system_error when it cannot be started.
int run_self(const std::vector<std::string>& arguments, const training::RunRequests& requests);

}  // namespace vcas::cli
