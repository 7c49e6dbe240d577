// Event files are read back by a small parser of their own: records, checksums, protobuf fields by number.
#include "train/tensorboard.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/file.h"

namespace galago {
namespace {

template <class T>
T read_bytes(std::string_view& text) {
  T value{};
  if (text.size() < sizeof value) throw std::runtime_error("the file ends early");
  std::memcpy(&value, text.data(), sizeof value);
  text.remove_prefix(sizeof value);
  return value;
}

uint64_t read_varint(std::string_view& text) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    uint8_t byte = read_bytes<uint8_t>(text);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (!(byte & 0x80)) return value;
  }
}

// The fields of a message: number and raw contents.
std::vector<std::pair<int, std::string>> fields(std::string_view message) {
  std::vector<std::pair<int, std::string>> all;
  while (!message.empty()) {
    uint64_t key = read_varint(message);
    size_t size = 0;
    if ((key & 7) == 1) size = 8;
    if ((key & 7) == 5) size = 4;
    if ((key & 7) == 2) size = read_varint(message);
    std::string contents = (key & 7) == 0 ? std::to_string(read_varint(message)) : std::string(message.substr(0, size));
    message.remove_prefix(size);
    all.emplace_back(static_cast<int>(key >> 3), contents);
  }
  return all;
}

std::optional<std::string> field(std::string_view message, int number) {
  for (auto& [n, contents] : fields(message))
    if (n == number) return contents;
  return std::nullopt;
}

std::vector<std::string> records(const std::string& path) {
  std::string file = read_file(path);
  std::string_view rest = file;
  std::vector<std::string> all;
  while (!rest.empty()) {
    std::string_view length_bytes = rest.substr(0, 8);
    uint64_t length = read_bytes<uint64_t>(rest);
    EXPECT_EQ(read_bytes<uint32_t>(rest), masked_crc32c(length_bytes));
    all.emplace_back(rest.substr(0, length));
    rest.remove_prefix(length);
    EXPECT_EQ(read_bytes<uint32_t>(rest), masked_crc32c(all.back()));
  }
  return all;
}

TEST(Crc32c, PublishedValues) {  // RFC 3720 B.4, and the check value of the CRC catalogue
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(masked_crc32c(""), 0xa282ead8u);
}

TEST(EventWriter, ScalarsComeBack) {
  std::string folder = testing::TempDir() + "/events";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  EventWriter writer(folder, 41);
  writer.scalar("loss", 41, 2.5);
  writer.scalar("validation_loss", int64_t{1} << 40, -1e-3);
  EXPECT_NE(writer.path().find("/events.out.tfevents."), std::string::npos);
  auto all = records(writer.path());
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(field(all[0], 3), "brain.Event:2");
  EXPECT_EQ(field(all[1], 2), "41");
  EXPECT_EQ(field(*field(all[1], 7), 1), "1");  // SessionLog START
  const std::pair<std::string, float> expected[] = {{"loss", 2.5f}, {"validation_loss", -1e-3f}};
  const char* steps[] = {"41", "1099511627776"};
  for (int i = 0; i < 2; ++i) {
    std::string value = *field(*field(all[2 + i], 5), 1);
    std::string number = *field(value, 2);
    EXPECT_EQ(field(all[2 + i], 2), steps[i]);
    EXPECT_EQ(field(value, 1), expected[i].first);
    float read;
    ASSERT_EQ(number.size(), sizeof read);
    std::memcpy(&read, number.data(), sizeof read);
    EXPECT_EQ(read, expected[i].second);
    std::string wall = *field(all[2 + i], 1);
    double seconds;
    std::memcpy(&seconds, wall.data(), sizeof seconds);
    EXPECT_GT(seconds, 1.7e9);  // after 2023
  }
}

}  // namespace
}  // namespace galago
