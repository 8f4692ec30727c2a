#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace vcas::formats {

/// CRC-32C (Castagnoli) of some bytes. Source: RFC 3720, B.4.
uint32_t crc32c(std::string_view bytes);

/// One record as TensorFlow writes it: length, masked CRC of the length, data, masked CRC of the data.
std::string tfrecord(std::string_view data);

/// Writes scalars that TensorBoard shows: events.out.tfevents.<time>.<host>.<process>.<n> in a folder.
class TensorBoardWriter {
 public:
  /// @param folder made when missing.
  /// @param purge_step on resuming: TensorBoard drops what earlier files of the folder say from this step on.
  /// @throws std::system_error when the file cannot be made.
  explicit TensorBoardWriter(const std::filesystem::path& folder,
                             std::optional<int64_t> purge_step = std::nullopt);

  /// @param tag such as "train/loss". Shown as float32, which is all that the format holds.
  /// @throws std::system_error when the disk refuses, here or in flush.
  void add_scalar(std::string_view tag, double value, int64_t step);
  void flush();

  const std::filesystem::path& path() const { return path_; }

 private:
  void write(std::string_view event);

  std::filesystem::path path_;
  std::ofstream stream_;
};

}  // namespace vcas::formats
