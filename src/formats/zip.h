// Zip containers as PyTorch writes them (PKWARE APPNOTE 6.3): entries stored without compression, found through the
// central directory, Zip64 where sizes need it. Nothing is ever inflated.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace galago {

struct ZipEntry {
  std::string_view name;
  std::span<const std::byte> bytes;  // as stored
  uint32_t crc;
  bool compressed;  // then `bytes` are of no use
};

// Views of the bytes it was parsed from. Immutable.
class ZipFile {
 public:
  // Throws InvalidInput unless every entry lies inside the file, none overlaps another, and no name occurs twice.
  static ZipFile parse(std::span<const std::byte> bytes, const std::string& subject);

  std::span<const ZipEntry> entries() const { return entries_; }  // in the order of the directory
  const ZipEntry* find(std::string_view name) const;              // null if missing
  // The entry's content. Throws InvalidInput if it is missing or compressed, or, with `check_crc`, damaged.
  std::span<const std::byte> read(std::string_view name, bool check_crc) const;

 private:
  friend class ZipParser;
  ZipFile() = default;
  std::string subject_;
  std::vector<ZipEntry> entries_;
  std::map<std::string_view, size_t> index_;
};

// Writes a zip file front to back: every entry stored, its data aligned to 64 bytes so that it can be mapped. One
// owner, one thread.
class ZipWriter {
 public:
  explicit ZipWriter(const std::string& path) : file_(path) {}
  void add(std::string_view name, std::span<const std::byte> bytes);
  void finish();  // the directory, then sync and rename

 private:
  struct Record {
    std::string name;
    uint64_t offset, n_bytes;
    uint32_t crc;
  };
  AtomicFile file_;
  std::vector<Record> records_;
};

}  // namespace galago
