// BMP (Windows "device independent bitmap"): 1, 4 and 8 bits with a palette, 24 and 32 bits, bottom-up or top-down.
// Header: "BM", file size, reserved, offset of the pixels (14 bytes); then an information header of its own size.
#include "base/checked.h"
#include "image/decode.h"

namespace galago {
namespace {

constexpr uint32_t kFileHeader = 14, kCoreHeader = 12, kInfoHeader = 40;
constexpr uint32_t kPlain = 0, kBitFields = 3;

struct Header {
  uint64_t info_size = 0, pixel_offset = 0, width = 0, height = 0;
  bool top_down = false;
  uint32_t bits = 0, compression = kPlain, n_colors = 0;
  uint32_t entry_bytes = 4;                        // of a palette entry: blue, green, red, unused
  uint32_t red_at = 2, green_at = 1, blue_at = 0;  // byte of each colour in a pixel
};

Header read_core_header(Bytes b) {
  Header h{kCoreHeader, le32(b, 10), le16(b, 18), le16(b, 20)};
  h.bits = le16(b, 24);
  h.entry_bytes = 3;
  return h;
}

Header read_info_header(Bytes b, uint32_t info_size) {
  int64_t width = static_cast<int32_t>(le32(b, 18)), height = static_cast<int32_t>(le32(b, 22));
  Header h{info_size, le32(b, 10), width < 0 ? 0 : static_cast<uint64_t>(width),
           static_cast<uint64_t>(height < 0 ? -height : height)};
  h.top_down = height < 0;
  h.bits = le16(b, 28);
  h.compression = le32(b, 30);
  h.n_colors = le32(b, 46);
  return h;
}

uint32_t byte_of_mask(const DecodeJob& job, uint32_t mask) {
  for (uint32_t byte = 0; byte < 4; ++byte)
    if (mask == 0xffu << (8 * byte)) return byte;
  throw unsupported("{}: BMP with the colour mask {:#x}; only masks of one byte are read. Save it as PNG.", job.subject,
                    mask);
}

// Red, green and blue masks follow the 40 bytes, inside or behind the header.
void read_masks(const DecodeJob& job, Header& h) {
  if (!has(job.bytes, kFileHeader + kInfoHeader, 12)) throw ends_early(job);
  h.red_at = byte_of_mask(job, le32(job.bytes, 54));
  h.green_at = byte_of_mask(job, le32(job.bytes, 58));
  h.blue_at = byte_of_mask(job, le32(job.bytes, 62));
}

Header read_header(const DecodeJob& job) {
  Bytes b = job.bytes;
  uint32_t info_size = le32(b, 14);
  if (info_size != kCoreHeader && info_size < kInfoHeader) throw broken_data(job, "unknown kind of header");
  if (!has(b, kFileHeader, info_size)) throw ends_early(job);
  Header h = info_size == kCoreHeader ? read_core_header(b) : read_info_header(b, info_size);
  bool depth_ok = h.bits == 1 || h.bits == 4 || h.bits == 8 || h.bits == 24 || h.bits == 32;
  bool masks = h.compression == kBitFields && h.bits == 32;
  if (!depth_ok || (h.compression != kPlain && !masks))
    throw unsupported(
        "{}: BMP with {} bits a pixel and compression {}; only plain 1, 4, 8, 24 and 32 bits are read. Save it as PNG.",
        job.subject, h.bits, h.compression);
  if (masks) read_masks(job, h);
  return h;
}

// The palette as the file has it. Fewer colours than the depth allows is common.
Bytes find_palette(const DecodeJob& job, const Header& h) {
  uint64_t n_colors = h.n_colors ? std::min(h.n_colors, 1u << h.bits) : 1u << h.bits;
  uint64_t at = kFileHeader + h.info_size;
  if (h.pixel_offset > at) n_colors = std::min<uint64_t>(n_colors, (h.pixel_offset - at) / h.entry_bytes);
  if (!has(job.bytes, at, n_colors * h.entry_bytes)) throw ends_early(job);
  return slice(job.bytes, at, n_colors * h.entry_bytes);
}

void unpack_indices(const uint8_t* in, Bytes palette, const Header& h, uint8_t* rgb) {
  uint32_t per_byte = 8 / h.bits, mask = (1u << h.bits) - 1;
  for (uint64_t x = 0; x < h.width; ++x, rgb += 3) {
    uint32_t shift = 8 - h.bits * (1 + static_cast<uint32_t>(x % per_byte));
    uint64_t entry = static_cast<uint64_t>(in[x / per_byte] >> shift & mask) * h.entry_bytes;
    bool known = has(palette, entry, 3);  // an index beyond the palette is black
    for (uint64_t c = 0; c < 3; ++c) rgb[c] = known ? palette[entry + 2 - c] : 0;
  }
}

void unpack_pixels(const uint8_t* in, const Header& h, uint8_t* rgb) {
  for (uint64_t x = 0; x < h.width; ++x, rgb += 3, in += h.bits / 8) {
    rgb[0] = in[h.red_at];
    rgb[1] = in[h.green_at];
    rgb[2] = in[h.blue_at];
  }
}

}  // namespace

Image decode_bmp(const DecodeJob& job) {
  Header h = read_header(job);
  check_size(job, h.width, h.height);
  Bytes palette = h.bits <= 8 ? find_palette(job, h) : Bytes();
  uint64_t stride = (h.width * h.bits + 31) / 32 * 4;  // rows are padded to 4 bytes
  auto n_bytes = checked_mul(stride, h.height);
  if (!n_bytes || !has(job.bytes, h.pixel_offset, *n_bytes)) throw ends_early(job);
  Image image = make_image(static_cast<int>(h.width), static_cast<int>(h.height));
  for (uint64_t i = 0; i < h.height; ++i) {
    const uint8_t* in = job.bytes.data() + h.pixel_offset + i * stride;
    uint8_t* out = image.row(static_cast<int>(h.top_down ? i : h.height - 1 - i));
    if (h.bits <= 8)
      unpack_indices(in, palette, h, out);
    else
      unpack_pixels(in, h, out);
  }
  return image;
}

}  // namespace galago
