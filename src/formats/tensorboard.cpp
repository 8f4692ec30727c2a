#include "formats/tensorboard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstring>

#include "formats/host_name.h"

namespace vcas::formats {

namespace {

constexpr std::array<uint32_t, 256> make_crc_table() {
  constexpr uint32_t kReversedPolynomial = 0x82F63B78u;
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) remainder = remainder >> 1 ^ (remainder & 1 ? kReversedPolynomial : 0);
    table[byte] = remainder;
  }
  return table;
}

/// TensorFlow's mask: the CRC of data that hold CRCs themselves would be weak.
uint32_t masked_crc32c(std::string_view bytes) {
  const auto crc = crc32c(bytes);
  return std::rotr(crc, 15) + 0xA282EAD8u;
}

template <typename Number>
std::string little_endian(Number number) {
  static_assert(std::endian::native == std::endian::little);
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

// The four encodings of protocol buffers that an event needs.
// Source: https://protobuf.dev/programming-guides/encoding/.
enum WireType : uint32_t { varint_type = 0, fixed64_type = 1, bytes_type = 2, fixed32_type = 5 };

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

std::string field_key(uint32_t field, WireType type) { return varint(field << 3 | type); }
std::string field(uint32_t number, double value) {
  return field_key(number, fixed64_type) + little_endian(value);
}
std::string field(uint32_t number, float value) {
  return field_key(number, fixed32_type) + little_endian(value);
}
std::string field(uint32_t number, int64_t value) {
  return field_key(number, varint_type) + varint(static_cast<uint64_t>(value));
}
std::string field(uint32_t number, std::string_view value) {
  return field_key(number, bytes_type) + varint(value.size()) + std::string(value);
}

double seconds_since_epoch() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Field numbers of tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
std::string event_at_now() { return field(1, seconds_since_epoch()); }

std::string version_event() { return event_at_now() + field(3, std::string_view("brain.Event:2")); }

std::string scalar_event(std::string_view tag, double value, int64_t step) {
  const auto summary_value = field(1, tag) + field(2, static_cast<float>(value));
  return event_at_now() + field(2, step) + field(5, field(1, summary_value));
}

/// A session that starts at a step: readers forget what came after it before.
std::string session_start_event(int64_t step) {
  constexpr int64_t kStart = 1;
  return event_at_now() + field(2, step) + field(7, field(1, kStart));
}

const std::filesystem::path& made(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  return folder;
}

std::filesystem::path fresh_path(const std::filesystem::path& folder) {
  const auto stem = fmt::format("events.out.tfevents.{}.{}.{}", static_cast<int64_t>(seconds_since_epoch()),
                                host_name(), ::getpid());
  // Writers that begin within one second differ in the last number.
  for (int number = 0;; ++number) {
    auto path = folder / fmt::format("{}.{}{}", stem, number, kEventsSuffix);
    if (!std::filesystem::exists(path)) return path;
  }
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr auto kTable = make_crc_table();
  uint32_t crc = ~uint32_t{0};
  for (const char c : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

std::string tfrecord(std::string_view data) {
  const auto length = little_endian(static_cast<uint64_t>(data.size()));
  return length + little_endian(masked_crc32c(length)) + std::string(data) +
         little_endian(masked_crc32c(data));
}

TensorBoardWriter::TensorBoardWriter(const std::filesystem::path& folder, std::optional<int64_t> purge_step)
    : file_(fresh_path(made(folder))) {
  file_.add(tfrecord(version_event()));
  if (purge_step) file_.add(tfrecord(session_start_event(*purge_step)));
  flush();
}

void TensorBoardWriter::add_scalar(std::string_view tag, double value, int64_t step) {
  file_.add(tfrecord(scalar_event(tag, value, step)));
}

}  // namespace vcas::formats
