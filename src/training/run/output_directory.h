#pragma once

#include <filesystem>

namespace vcas::training {

/// Refuses, before anything is written, a folder that a run must not use.
/// @param may_hold_run the run is resumed, or the user said --overwrite_output_dir.
/// @throws formats::InputError: it is a file, it is the model's own folder, or it holds another run.
void require_usable_output_directory(const std::filesystem::path& output_dir,
                                     const std::filesystem::path& model, bool may_hold_run);

/// Makes the folder, and on request removes what a previous run left in it; other files stay.
/// @throws formats::InputError when it cannot be made; std::filesystem::filesystem_error when the disk
/// refuses.
void prepare_output_directory(const std::filesystem::path& output_dir, bool remove_previous_run);

}  // namespace vcas::training
