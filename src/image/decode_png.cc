// PNG by libpng: every depth and colour kind becomes 8-bit RGB. Gamma and profiles are left alone, as Pillow does.
#include <png.h>

#include <algorithm>

#include "image/c_error_trap.h"
#include "image/decode.h"

namespace galago {
namespace {

// Deflate cannot expand by more than this, so a small file with a large header is incomplete whatever follows.
constexpr uint64_t kMaxDeflateRatio = 1032;

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  static_cast<CErrorTrap*>(png_get_error_ptr(png))->fail(text);
}
void on_warning(png_structp, png_const_charp) {}

// Owns one decoder; lives on the stack of decode_png.
struct PngReader {
  explicit PngReader(const DecodeJob& job) : job(job) {}
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReader(const PngReader&) = delete;

  static void read(png_structp png, png_bytep out, size_t n) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    self->trap.ended_early = n > self->job.bytes.size() - self->position;
    if (self->trap.ended_early) png_error(png, "data ends early");
    std::memcpy(out, self->job.bytes.data() + self->position, n);
    self->position += n;
  }

  void read_header() {
    bool ok = call_c(trap, [this] {
      png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &trap, on_error, on_warning);
      if (png) info = png_create_info_struct(png);
      if (!info) trap.fail("out of memory");
      png_set_read_fn(png, this, read);
      png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);             // check_size() says it better
      png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);  // profiles, texts, times: not needed
      png_read_info(png, info);
    });
    if (!ok) fail();
  }

  void convert_to_rgb(bool keep_16) {
    bool ok = call_c(trap, [this, keep_16] {
      if (!keep_16) png_set_strip_16(png);  // keeps the high byte
      if (png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
      if (png_get_bit_depth(png, info) < 8) png_set_expand_gray_1_2_4_to_8(png);
      png_set_gray_to_rgb(png);
      png_set_strip_alpha(png);
      png_set_interlace_handling(png);
      png_read_update_info(png, info);
    });
    if (!ok) fail();
  }

  void read_rows(uint8_t** rows) {
    if (!call_c(trap, [this, rows] { png_read_image(png, rows); })) fail();
  }

  [[noreturn]] void fail() const {
    if (trap.ended_early) throw ends_early(job);
    throw broken_data(job, trap.message);
  }

  const DecodeJob& job;
  CErrorTrap trap;
  png_structp png = nullptr;
  png_infop info = nullptr;
  size_t position = 0;
};

// The picture with channels of `n_bytes` bytes, 1 or 2 (big-endian), as rows without gaps.
std::vector<uint8_t> read_channels(const DecodeJob& job, size_t n_bytes) {
  PngReader reader(job);
  reader.read_header();
  size_t height = png_get_image_height(reader.png, reader.info);
  size_t row_bytes = 3 * n_bytes * png_get_image_width(reader.png, reader.info);
  reader.convert_to_rgb(n_bytes == 2);
  CHECK(png_get_rowbytes(reader.png, reader.info) == row_bytes);
  std::vector<uint8_t> channels(row_bytes * height);
  std::vector<uint8_t*> rows(height);
  for (size_t y = 0; y < height; ++y) rows[y] = channels.data() + y * row_bytes;
  reader.read_rows(rows.data());  // what follows the last row is not looked at: some files have more data there
  return channels;
}

void keep_low_bytes(const DecodeJob& job, std::vector<uint8_t>& rgb) {
  std::vector<uint8_t> wide = read_channels(job, 2);
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = wide[2 * i + 1];
}

bool all_zero(const std::vector<uint8_t>& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

}  // namespace

Image decode_png(const DecodeJob& job) {
  PngReader reader(job);
  reader.read_header();
  uint64_t width = png_get_image_width(reader.png, reader.info);
  uint64_t height = png_get_image_height(reader.png, reader.info);
  check_size(job, width, height);
  uint64_t stored_bytes = png_get_rowbytes(reader.png, reader.info) * height;
  if (stored_bytes / kMaxDeflateRatio > job.bytes.size()) throw ends_early(job);
  Image image = make_image(static_cast<int>(width), static_cast<int>(height));
  image.rgb = read_channels(job, 1);
  // 16-bit channels keep their high byte. But if no sample exceeds 255, these are 8-bit values in a 16-bit container,
  // which would come out black: then the low byte is the value.
  if (png_get_bit_depth(reader.png, reader.info) == 16 && all_zero(image.rgb)) keep_low_bytes(job, image.rgb);
  return image;
}

}  // namespace galago
