#include "train/tensorboard.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "train/event.pb.h"

namespace galago {
namespace {

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  char name[256] = "";
  return ::gethostname(name, sizeof name - 1) == 0 && name[0] ? name : "localhost";
}

std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    table[byte] = crc;
  }
  return table;
}

template <class Integer>
std::string little_endian(Integer value) {
  std::string bytes;
  for (size_t i = 0; i < sizeof value; ++i) bytes += static_cast<char>(value >> 8 * i & 0xFF);
  return bytes;
}

tensorboard::Event make_event(int64_t step) {
  tensorboard::Event event;
  event.set_wall_time(seconds_since_1970());
  event.set_step(step);
  return event;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = make_crc_table();
  uint32_t crc = ~0u;
  for (char c : bytes) crc = table[(crc ^ static_cast<uint8_t>(c)) & 0xFF] ^ crc >> 8;
  return ~crc;
}

uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8u; }

EventWriter::EventWriter(const std::string& folder, int64_t first_step)
    : path_(fmt::format("{}/events.out.tfevents.{}.{}.{}", folder, static_cast<int64_t>(seconds_since_1970()),
                        host_name(), ::getpid())),
      file_(path_, std::ios::binary | std::ios::app) {
  if (!file_) throw io_error("{}: cannot create: {}", path_, std::strerror(errno));
  tensorboard::Event version = make_event(0);
  version.set_file_version("brain.Event:2");
  record(version.SerializeAsString());
  tensorboard::Event start = make_event(first_step);
  start.mutable_session_log()->set_status(tensorboard::SessionLog::START);
  record(start.SerializeAsString());
}

void EventWriter::scalar(const std::string& tag, int64_t step, double value) {
  tensorboard::Event event = make_event(step);
  tensorboard::Summary::Value* row = event.mutable_summary()->add_value();
  row->set_tag(tag);
  row->set_simple_value(static_cast<float>(value));
  record(event.SerializeAsString());
}

void EventWriter::record(const std::string& event) {
  std::string length = little_endian(static_cast<uint64_t>(event.size()));
  file_ << length << little_endian(masked_crc32c(length)) << event << little_endian(masked_crc32c(event));
  if (!file_.flush()) throw io_error("{}: cannot write: {}", path_, std::strerror(errno));
}

}  // namespace galago
