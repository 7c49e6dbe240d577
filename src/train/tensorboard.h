// Scalars for TensorBoard: an event file in the run folder, one record an event.
// Record (TFRecord): u64 length, u32 masked CRC-32C of the length, the event (event.proto), u32 masked CRC-32C of it;
// little-endian. Mask: rotate right by 15 bits, add 0xa282ead8.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

namespace galago {

uint32_t crc32c(std::string_view bytes);  // Castagnoli polynomial
uint32_t masked_crc32c(std::string_view bytes);

// Writes FOLDER/events.out.tfevents.SECONDS.HOST.PID; each scalar is on disk when the call returns. One thread at a
// time.
class EventWriter {
 public:
  // A run that goes on at `first_step` hides what older event files of the folder say about that step and later ones.
  EventWriter(const std::string& folder, int64_t first_step);  // throws Io
  void scalar(const std::string& tag, int64_t step, double value);
  const std::string& path() const { return path_; }

 private:
  void record(const std::string& event);
  std::string path_;
  std::ofstream file_;
};

}  // namespace galago
