#include "formats/tensorboard.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "formats/support.h"

namespace vcas::formats {
namespace tensorboard_test {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

TEST(Crc32c, KnownAnswers) {
  // RFC 3720, B.4, and the check value of the CRC catalogues.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  EXPECT_EQ(crc32c(ascending), 0x46DD794Eu);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

template <typename Number>
Number number_at(const std::string& bytes, std::size_t position) {
  Number number;
  std::memcpy(&number, bytes.substr(position, sizeof number).data(), sizeof number);
  return number;
}

/// The records of an event file without their wall times, each checked against its own CRCs.
std::vector<std::string> events_of(const std::filesystem::path& file) {
  std::vector<std::string> events;
  const auto bytes = content_of(file);
  for (std::size_t position = 0; position < bytes.size();) {
    const auto length = number_at<uint64_t>(bytes, position);
    const auto data = bytes.substr(position + 12, length);
    EXPECT_EQ(bytes.substr(position, length + 16), tfrecord(data));
    EXPECT_EQ(data[0], 0x09);  // field 1, 64 bits: wall time
    EXPECT_GT(number_at<double>(data, 1), 1.7e9);
    events.push_back(data.substr(9));
    position += length + 16;
  }
  return events;
}

TEST(TfRecord, KnownAnswer) {
  // Masked CRCs worked out by hand from TensorFlow's definition ((crc >> 15 | crc << 17) + 0xa282ead8) and
  // Crc32c's known answers: the data is "123456789", the length's CRC is that of 09 00 00 00 00 00 00 00.
  const auto record = tfrecord("123456789");
  ASSERT_EQ(record.size(), 8u + 4 + 9 + 4);
  EXPECT_EQ(record.substr(0, 8), from_hex("0900000000000000"));
  EXPECT_EQ(record.substr(12, 9), "123456789");
  const uint32_t crc = 0xE3069283u;
  EXPECT_EQ(number_at<uint32_t>(record, 21), static_cast<uint32_t>((crc >> 15 | crc << 17) + 0xA282EAD8u));
}

TEST(TensorBoardWriter, WritesVersionAndScalars) {
  const TemporaryFolder folder;
  TensorBoardWriter writer(folder.path() / "runs" / "a");
  writer.add_scalar("train/loss", 0.5, 300);
  writer.flush();
  const auto events = events_of(writer.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0], from_hex("1a0d") + "brain.Event:2");
  // step 300 as a varint, then summary { value { tag: "train/loss" simple_value: 0.5 } }.
  EXPECT_EQ(events[1], from_hex("10ac02") + from_hex("2a13") + from_hex("0a11") + from_hex("0a0a") +
                           "train/loss" + from_hex("150000003f"));
}

TEST(TensorBoardWriter, ResumingPurgesLaterSteps) {
  const TemporaryFolder folder;
  const TensorBoardWriter writer(folder.path(), 30);
  const auto events = events_of(writer.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1], from_hex("101e") + from_hex("3a020801"));  // session_log { status: START } at step 30
}

TEST(TensorBoardWriter, EachWriterHasAFileThatTensorBoardFinds) {
  const TemporaryFolder folder;
  const TensorBoardWriter first(folder.path());
  const TensorBoardWriter second(folder.path());
  EXPECT_NE(first.path(), second.path());
  EXPECT_NE(first.path().filename().string().find("tfevents"), std::string::npos);
}

TEST(TensorBoardWriter, SaysWhenTheDiskRefuses) {
  const TemporaryFolder folder;
  folder.write("file", "");
  EXPECT_THROW(TensorBoardWriter(folder.path() / "file" / "below"), std::system_error);
}

}  // namespace tensorboard_test
}  // namespace vcas::formats
