#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "cli/flags.h"
#include "vcas/training/text_classification.h"

namespace vcas::cli {

/// What train and eval share.
struct CommonOptions {
  std::string task = "text-classification";
  int64_t threads = 0;  ///< 0: one a core
};

void add_task_flag(FlagTable& flags, CommonOptions& options);
void add_data_flags(FlagTable& flags, training::TextDataOptions& options, bool training);
void add_threads_flag(FlagTable& flags, CommonOptions& options);

/// @throws formats::InputError naming what is missing or contradicts itself.
void require_data(const training::TextDataOptions& options, bool training);
/// @param flag that names a file to be written. @throws formats::InputError when its folder does not exist.
void require_existing_folder(const std::string& flag, const std::filesystem::path& file);
void set_threads(int64_t threads);

}  // namespace vcas::cli
