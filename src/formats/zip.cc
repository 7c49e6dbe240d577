#include "formats/zip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "base/checked.h"
#include "formats/byte_reader.h"
#include "formats/printable.h"

namespace galago {
namespace {

constexpr uint32_t kLocalMagic = 0x04034B50, kCentralMagic = 0x02014B50, kEndMagic = 0x06054B50;
constexpr uint32_t kEnd64Magic = 0x06064B50, kLocator64Magic = 0x07064B50, kDescriptorMagic = 0x08074B50;
constexpr uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr uint64_t kMaxEntries = 1'000'000;
constexpr uint32_t kInZip64 = 0xFFFFFFFF;  // a 32-bit field that says: look into the Zip64 one
constexpr uint16_t kFlags = 0x0808;        // sizes follow the data; names are UTF-8
constexpr uint16_t kPaddingId = 0x4246;    // "FB": the extra field that PyTorch pads with
constexpr uint64_t kAlignment = 64;

uint32_t crc_of(std::span<const std::byte> bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

class ZipParser {
 public:
  ZipParser(std::span<const std::byte> bytes, const std::string& subject) : bytes_(bytes), subject_(subject) {}

  ZipFile run() {
    file_.subject_ = subject_;
    find_directory();
    read_directory();
    check_overlaps();
    return std::move(file_);
  }

 private:
  template <class T>
  T load(uint64_t at) const {
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }

  ByteReader reader_at(uint64_t begin, uint64_t end) const {
    return ByteReader(bytes_.subspan(begin, end - begin), subject_);
  }

  // The end record is the last thing in the file, but for a comment of at most 65,535 bytes.
  uint64_t find_end_record() const {
    uint64_t size = bytes_.size();
    if (size >= kEndBytes) {
      uint64_t first = size - std::min<uint64_t>(size, kEndBytes + 0xFFFF);
      for (uint64_t at = size - kEndBytes + 1; at-- > first;)
        if (load<uint32_t>(at) == kEndMagic && load<uint16_t>(at + 20) == size - at - kEndBytes) return at;
    }
    throw invalid_input("{}: the zip file has no end record: it is cut short; download it again", subject_);
  }

  void find_directory() {
    uint64_t end = find_end_record();
    n_entries_ = load<uint16_t>(end + 10);
    directory_bytes_ = load<uint32_t>(end + 12);
    directory_at_ = load<uint32_t>(end + 16);
    if (end >= kLocatorBytes && load<uint32_t>(end - kLocatorBytes) == kLocator64Magic)
      read_end64(load<uint64_t>(end - kLocatorBytes + 8), end - kLocatorBytes);
    auto directory_end = checked_add(directory_at_, directory_bytes_);
    if (!directory_end || *directory_end > end)
      throw invalid_input("{}: the zip directory of {} bytes at {} lies outside the file", subject_, directory_bytes_,
                          directory_at_);
    if (n_entries_ > kMaxEntries || n_entries_ > directory_bytes_ / kCentralBytes)
      throw invalid_input("{}: {} zip entries in a directory of {} bytes; expected at most {}", subject_, n_entries_,
                          directory_bytes_, std::min(kMaxEntries, directory_bytes_ / kCentralBytes));
  }

  void read_end64(uint64_t at, uint64_t limit) {
    if (at > limit || limit - at < kEnd64Bytes || load<uint32_t>(at) != kEnd64Magic)
      throw invalid_input("{}: the Zip64 end record is not at byte {}, where its locator says", subject_, at);
    n_entries_ = load<uint64_t>(at + 32);
    directory_bytes_ = load<uint64_t>(at + 40);
    directory_at_ = load<uint64_t>(at + 48);
  }

  void read_directory() {
    ByteReader in = reader_at(directory_at_, directory_at_ + directory_bytes_);
    for (uint64_t i = 0; i < n_entries_; ++i) read_entry(in);
  }

  void read_entry(ByteReader& in) {
    auto head = in.take(kCentralBytes, "a zip directory entry");
    auto field = [&](size_t at, auto value) {
      std::memcpy(&value, head.data() + at, sizeof value);
      return value;
    };
    if (field(0, uint32_t{}) != kCentralMagic)
      throw invalid_input("{}: the zip directory holds something else than an entry", subject_);
    ZipEntry entry{};
    entry.name = text(in.take(field(28, uint16_t{}), "a zip entry name"));
    auto extra = in.take(field(30, uint16_t{}), "a zip extra field");
    in.take(field(32, uint16_t{}), "a zip comment");
    entry.crc = field(16, uint32_t{});
    entry.compressed = field(10, uint16_t{}) != 0 || (field(8, uint16_t{}) & 1) != 0;  // or encrypted
    Sizes sizes{field(24, uint32_t{}), field(20, uint32_t{}), field(42, uint32_t{})};
    read_zip64(sizes, extra, entry.name);
    if (!entry.compressed && sizes.stored != sizes.plain)
      throw invalid_input("{}: zip entry {} is not compressed, but {} bytes hold {}", subject_, printable(entry.name),
                          sizes.stored, sizes.plain);
    place(entry, sizes.local_at, sizes.stored);
  }

  struct Sizes {
    uint64_t plain, stored, local_at;
  };

  // Extra field 1 has, in this order, those of the three whose 32-bit field is all ones.
  void read_zip64(Sizes& sizes, std::span<const std::byte> extra, std::string_view name) const {
    bool wanted = sizes.plain == kInZip64 || sizes.stored == kInZip64 || sizes.local_at == kInZip64;
    ByteReader in(extra, subject_);
    while (wanted && in.remaining() >= 4) {
      auto id = in.read<uint16_t>("a zip extra field");
      auto body = in.take(in.read<uint16_t>("a zip extra field"), "a zip extra field");
      if (id != 1) continue;
      ByteReader numbers(body, subject_);
      for (uint64_t* field : {&sizes.plain, &sizes.stored, &sizes.local_at})
        if (*field == kInZip64) *field = numbers.read<uint64_t>("a Zip64 size");
      return;
    }
    if (wanted) throw invalid_input("{}: zip entry {} lacks its Zip64 sizes", subject_, printable(name));
  }

  static std::string_view text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // Data begin behind the local header, whose own name and extra field have their own lengths.
  void place(ZipEntry entry, uint64_t local_at, uint64_t n_bytes) {
    uint64_t limit = directory_at_;
    bool has_header = local_at <= limit && limit - local_at >= kLocalBytes && load<uint32_t>(local_at) == kLocalMagic;
    if (!has_header)
      throw invalid_input("{}: zip entry {} is not at byte {}, where the directory says", subject_,
                          printable(entry.name), local_at);
    uint64_t begin = local_at + kLocalBytes + load<uint16_t>(local_at + 26) + load<uint16_t>(local_at + 28);
    auto end = checked_add(begin, n_bytes);
    if (!end || *end > limit)
      throw invalid_input("{}: zip entry {} of {} bytes at byte {} reaches past the end of the data; download it again",
                          subject_, printable(entry.name), n_bytes, begin);
    entry.bytes = bytes_.subspan(begin, n_bytes);
    places_.push_back({local_at, *end});
    if (!file_.index_.emplace(entry.name, file_.entries_.size()).second)
      throw invalid_input("{}: zip entry {} occurs twice", subject_, printable(entry.name));
    file_.entries_.push_back(entry);
  }

  void check_overlaps() {
    std::ranges::sort(places_);
    for (size_t i = 1; i < places_.size(); ++i)
      if (places_[i].first < places_[i - 1].second)
        throw invalid_input("{}: two zip entries overlap at byte {}", subject_, places_[i].first);
  }

  std::span<const std::byte> bytes_;
  const std::string& subject_;
  ZipFile file_;
  std::vector<std::pair<uint64_t, uint64_t>> places_;  // of header and data
  uint64_t n_entries_ = 0, directory_bytes_ = 0, directory_at_ = 0;
};

ZipFile ZipFile::parse(std::span<const std::byte> bytes, const std::string& subject) {
  return ZipParser(bytes, subject).run();
}

const ZipEntry* ZipFile::find(std::string_view name) const {
  auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::span<const std::byte> ZipFile::read(std::string_view name, bool check_crc) const {
  const ZipEntry* entry = find(name);
  if (!entry) throw invalid_input("{}: the zip file has no entry {}", subject_, printable(name));
  if (entry->compressed)
    throw invalid_input("{}: zip entry {} is compressed; torch.save does not do that. Save the model again", subject_,
                        printable(name));
  if (check_crc && crc_of(entry->bytes) != entry->crc)
    throw invalid_input("{}: zip entry {} is damaged: its checksum is wrong; download the file again", subject_,
                        printable(name));
  return entry->bytes;
}

namespace {

// Little-endian fields of one header, appended to the file in one write.
class Header {
 public:
  template <class T>
  Header& put(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Header& raw(std::string_view text) { return text_ += text, *this; }
  void write(AtomicFile& file) const { file.write(text_); }

 private:
  std::string text_;
};

// Version 4.5 knows Zip64. Time and date: 1980-01-01, so that equal models give equal files.
Header& put_common(Header& header, uint32_t crc, uint32_t n_bytes, std::string_view name, uint16_t extra) {
  return header.put<uint16_t>(45)
      .put(kFlags)
      .put<uint16_t>(0)
      .put<uint16_t>(0)
      .put<uint16_t>(0x21)
      .put(crc)
      .put(n_bytes)
      .put(n_bytes)
      .put(static_cast<uint16_t>(name.size()))
      .put(extra);
}

uint32_t short_size(uint64_t n) { return n < kInZip64 ? static_cast<uint32_t>(n) : kInZip64; }

// The local extra field is only there to bring the data to a multiple of 64.
void write_local_header(AtomicFile& file, std::string_view name) {
  uint64_t fixed = file.position() + kLocalBytes + name.size() + 4;
  auto padding = static_cast<uint16_t>((kAlignment - fixed % kAlignment) % kAlignment);
  Header header;
  header.put(kLocalMagic);
  put_common(header, 0, 0, name, static_cast<uint16_t>(4 + padding)).raw(name);
  header.put(kPaddingId).put(padding).raw(std::string(padding, 'Z')).write(file);
}

void write_descriptor(AtomicFile& file, uint32_t crc, uint64_t n_bytes) {
  Header header;
  header.put(kDescriptorMagic).put(crc);
  if (n_bytes < kInZip64)
    header.put(static_cast<uint32_t>(n_bytes)).put(static_cast<uint32_t>(n_bytes));
  else
    header.put(n_bytes).put(n_bytes);
  header.write(file);
}

}  // namespace

void ZipWriter::add(std::string_view name, std::span<const std::byte> bytes) {
  CHECK(name.size() <= 0xFFFF);
  Record record{std::string(name), file_.position(), bytes.size(), crc_of(bytes)};
  write_local_header(file_, name);
  if (!bytes.empty()) file_.write(bytes.data(), bytes.size());
  write_descriptor(file_, record.crc, record.n_bytes);
  records_.push_back(std::move(record));
}

void ZipWriter::finish() {
  uint64_t begin = file_.position();
  for (const Record& record : records_) {
    Header sizes;
    bool wide = record.n_bytes >= kInZip64, far = record.offset >= kInZip64;
    auto extra = static_cast<uint16_t>((wide ? 16 : 0) + (far ? 8 : 0));
    Header header;
    header.put(kCentralMagic).put<uint16_t>(45);
    put_common(header, record.crc, short_size(record.n_bytes), record.name,
               static_cast<uint16_t>(extra > 0 ? extra + 4 : 0));
    header.put<uint16_t>(0).put<uint16_t>(0).put<uint16_t>(0).put<uint32_t>(0).put(short_size(record.offset));
    header.raw(record.name);
    if (extra > 0) header.put<uint16_t>(1).put(extra);
    if (wide) header.put(record.n_bytes).put(record.n_bytes);
    if (far) header.put(record.offset);
    header.write(file_);
  }
  uint64_t end = file_.position(), n = records_.size();
  Header header;
  header.put(kEnd64Magic).put<uint64_t>(kEnd64Bytes - 12).put<uint16_t>(45).put<uint16_t>(45);
  header.put<uint32_t>(0).put<uint32_t>(0).put(n).put(n).put(end - begin).put(begin);
  header.put(kLocator64Magic).put<uint32_t>(0).put(end).put<uint32_t>(1);
  auto short_count = static_cast<uint16_t>(std::min<uint64_t>(n, 0xFFFF));
  header.put(kEndMagic).put<uint16_t>(0).put<uint16_t>(0).put(short_count).put(short_count);
  header.put(short_size(end - begin)).put(short_size(begin)).put<uint16_t>(0);
  header.write(file_);
  file_.commit();
}

}  // namespace galago
