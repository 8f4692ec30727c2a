#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "formats/append_file.h"

namespace vcas::formats {

/// CRC-32C (Castagnoli) of some bytes. Source: RFC 3720, B.4.
uint32_t crc32c(std::string_view bytes);

/// One record as TensorFlow writes it: length, masked CRC of the length, data, masked CRC of the data.
std::string tfrecord(std::string_view data);

/// Ends the names of our event files: other programs may write theirs into the same folder.
inline constexpr std::string_view kEventsSuffix = ".vcas";

/// Writes scalars that TensorBoard shows: events.out.tfevents.<time>.<host>.<process>.<n>.vcas in a
/// folder.
class TensorBoardWriter {
 public:
  /// @param folder made when missing.
  /// @param purge_step on resuming: TensorBoard drops what earlier files of the folder say from this step on.
  /// @throws std::system_error when the file cannot be made.
  explicit TensorBoardWriter(const std::filesystem::path& folder,
                             std::optional<int64_t> purge_step = std::nullopt);

  /// @param tag such as "train/loss". Shown as float32, which is all that the format holds.
  void add_scalar(std::string_view tag, double value, int64_t step);
  /// @return why scalars are left that are not written, if so: the next flush() tries again.
  std::error_code flush() { return file_.flush(); }

  const std::filesystem::path& path() const { return file_.path(); }

 private:
  AppendFile file_;
};

}  // namespace vcas::formats
