#include "image/exif.h"

#include <optional>

namespace galago {
namespace {

constexpr std::string_view kExifPrefix("Exif\0\0", 6);
constexpr std::string_view kXmpPrefix("http://ns.adobe.com/xap/1.0/\0", 29);
constexpr std::string_view kPngXmpKeyword("XML:com.adobe.xmp\0\0", 19);  // keyword, then "not compressed"
constexpr uint32_t kOrientationTag = 0x0112, kTypeShort = 3, kTypeLong = 4;

std::optional<int> valid(uint32_t value) {
  return value >= 1 && value <= 8 ? std::optional<int>(static_cast<int>(value)) : std::nullopt;
}

// A TIFF block: "II" or "MM", 42, offset of the first directory; a directory is a count and 12-byte entries
// (tag, type, count, value).
std::optional<int> tiff_orientation(Bytes tiff) {
  if (text_at(tiff, 0, kExifPrefix)) tiff = tiff.subspan(kExifPrefix.size());
  bool little = text_at(tiff, 0, "II");
  if (!has(tiff, 0, 8) || (!little && !text_at(tiff, 0, "MM"))) return std::nullopt;
  auto u16 = [&](size_t at) { return little ? le16(tiff, at) : be16(tiff, at); };
  auto u32 = [&](size_t at) { return little ? le32(tiff, at) : be32(tiff, at); };
  if (u16(2) != 42) return std::nullopt;
  uint64_t directory = u32(4);
  if (!has(tiff, directory, 2)) return std::nullopt;
  uint32_t n_entries = u16(directory);
  for (uint32_t i = 0; i < n_entries; ++i) {
    uint64_t entry = directory + 2 + 12ull * i;
    if (!has(tiff, entry, 12)) return std::nullopt;
    if (u16(entry) != kOrientationTag) continue;
    if (u16(entry + 2) == kTypeShort) return valid(u16(entry + 8));
    if (u16(entry + 2) == kTypeLong) return valid(u32(entry + 8));
    return std::nullopt;
  }
  return std::nullopt;
}

// tiff:Orientation="3" or <tiff:Orientation>3</tiff:Orientation>
std::optional<int> xmp_orientation(Bytes xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  std::string_view text = as_text(xmp);
  size_t at = text.find(kName);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view value = text.substr(at + kName.size(), 3);
  if (value.starts_with(">") && value.size() >= 2) return valid(static_cast<uint32_t>(value[1] - '0'));
  if ((value.starts_with("=\"") || value.starts_with("='")) && value.size() == 3)
    return valid(static_cast<uint32_t>(value[2] - '0'));
  return std::nullopt;
}

int first_of(std::optional<int> exif, std::optional<int> xmp) { return exif ? *exif : xmp.value_or(1); }

}  // namespace

int jpeg_orientation(Bytes file) {
  std::optional<int> exif, xmp;
  size_t at = 2;
  while (has(file, at, 4) && file[at] == 0xff) {
    uint8_t marker = file[at + 1];
    if (marker == 0xff) {  // fill byte
      ++at;
      continue;
    }
    if (marker == 0xda || marker == 0xd9) break;  // the pixels begin, or the file ends
    bool alone = marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    if (alone) {
      at += 2;
      continue;
    }
    uint32_t length = be16(file, at + 2);
    if (length < 2) break;
    Bytes payload = slice(file, at + 4, length - 2);
    if (marker == 0xe1 && !exif && text_at(payload, 0, kExifPrefix)) exif = tiff_orientation(payload);
    if (marker == 0xe1 && !xmp && text_at(payload, 0, kXmpPrefix)) xmp = xmp_orientation(payload);
    at += 2 + length;
  }
  return first_of(exif, xmp);
}

int png_orientation(Bytes file) {
  std::optional<int> exif, xmp;
  uint64_t at = 8;
  while (has(file, at, 12)) {
    uint32_t length = be32(file, at);
    Bytes payload = slice(file, at + 8, length);
    if (!exif && text_at(file, at + 4, "eXIf")) exif = tiff_orientation(payload);
    if (!xmp && text_at(file, at + 4, "iTXt") && text_at(payload, 0, kPngXmpKeyword)) xmp = xmp_orientation(payload);
    at += 12ull + length;
  }
  return first_of(exif, xmp);
}

Bytes find_webp_chunk(Bytes file, std::string_view name) {
  uint64_t at = 12;
  while (has(file, at, 8)) {
    uint32_t length = le32(file, at + 4);
    if (text_at(file, at, name)) return slice(file, at + 8, length);
    at += 8ull + length + (length & 1);
  }
  return {};
}

int webp_orientation(Bytes file) {
  return first_of(tiff_orientation(find_webp_chunk(file, "EXIF")), xmp_orientation(find_webp_chunk(file, "XMP ")));
}

}  // namespace galago
