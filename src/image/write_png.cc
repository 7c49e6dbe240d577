#include "image/write_png.h"

#include <cstdio>
#include <cstdlib>
// jpeglib.h uses FILE without including it, so it comes after cstdio.
#include <jpeglib.h>
#include <png.h>

#include "base/error.h"
#include "base/file.h"
#include "image/c_error_trap.h"

namespace galago {
namespace {

constexpr int kMaxJpegSide = 65500;  // JPEG_MAX_DIMENSION

void check_encodable(const Image& image) {
  CHECK(image.width > 0 && image.height > 0 &&
        image.rgb.size() == image.row_bytes() * static_cast<size_t>(image.height));
}

[[noreturn]] void on_png_error(png_structp png, png_const_charp text) {
  static_cast<CErrorTrap*>(png_get_error_ptr(png))->fail(text);
}
void on_png_warning(png_structp, png_const_charp) {}

// Owns one encoder; lives on the stack of encode_png.
struct PngWriter {
  ~PngWriter() { png_destroy_write_struct(&png, &info); }

  // No exception may cross libpng.
  static void append(png_structp png, png_bytep data, size_t n) {
    auto& out = static_cast<PngWriter*>(png_get_io_ptr(png))->out;
    bool ok = true;
    try {
      const auto* bytes = reinterpret_cast<const std::byte*>(data);
      out.insert(out.end(), bytes, bytes + n);
    } catch (const std::bad_alloc&) {
      ok = false;
    }
    if (!ok) png_error(png, "out of memory");
  }
  static void flush(png_structp) {}

  bool write(const Image& image) {
    return call_c(trap, [&] {
      png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &trap, on_png_error, on_png_warning);
      if (png) info = png_create_info_struct(png);
      if (!info) trap.fail("out of memory");
      png_set_write_fn(png, this, append, flush);
      png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
                   PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
      png_write_info(png, info);
      for (int y = 0; y < image.height; ++y) png_write_row(png, image.row(y));
      png_write_end(png, nullptr);
    });
  }

  CErrorTrap trap;
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::vector<std::byte> out;
};

[[noreturn]] void on_jpeg_error(j_common_ptr info) {
  char text[JMSG_LENGTH_MAX];
  info->err->format_message(info, text);
  static_cast<CErrorTrap*>(info->client_data)->fail(text);
}

// Owns one encoder and the memory that libjpeg writes to; lives on the stack of encode_jpeg.
struct JpegWriter {
  JpegWriter() {
    encoder.err = jpeg_std_error(&errors);
    errors.error_exit = on_jpeg_error;
    encoder.client_data = &trap;
  }
  ~JpegWriter() {
    jpeg_destroy_compress(&encoder);
    std::free(data);
  }
  JpegWriter(const JpegWriter&) = delete;

  bool write(const Image& image, int quality) {
    return call_c(trap, [&] {
      jpeg_create_compress(&encoder);
      jpeg_mem_dest(&encoder, &data, &size);
      encoder.image_width = static_cast<JDIMENSION>(image.width);
      encoder.image_height = static_cast<JDIMENSION>(image.height);
      encoder.input_components = 3;
      encoder.in_color_space = JCS_RGB;
      jpeg_set_defaults(&encoder);
      jpeg_set_quality(&encoder, quality, TRUE);
      jpeg_start_compress(&encoder, TRUE);
      for (int y = 0; y < image.height; ++y) {
        JSAMPROW row = const_cast<JSAMPROW>(image.row(y));
        jpeg_write_scanlines(&encoder, &row, 1);
      }
      jpeg_finish_compress(&encoder);
    });
  }

  CErrorTrap trap;
  jpeg_compress_struct encoder{};
  jpeg_error_mgr errors{};
  unsigned char* data = nullptr;
  unsigned long size = 0;
};

}  // namespace

std::vector<std::byte> encode_png(const Image& image) {
  check_encodable(image);
  PngWriter writer;
  if (!writer.write(image))
    throw io_error("PNG of {} x {}: cannot encode: {}", image.width, image.height, writer.trap.message);
  return std::move(writer.out);
}

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  check_encodable(image);
  CHECK(quality >= 1 && quality <= 100, "JPEG quality {}", quality);
  if (std::max(image.width, image.height) > kMaxJpegSide)
    throw invalid_input("picture: {} x {} pixels; a JPEG side is at most {}. Use PNG.", image.width, image.height,
                        kMaxJpegSide);
  JpegWriter writer;
  if (!writer.write(image, quality))
    throw io_error("JPEG of {} x {}: cannot encode: {}", image.width, image.height, writer.trap.message);
  const auto* bytes = reinterpret_cast<const std::byte*>(writer.data);
  return {bytes, bytes + writer.size};
}

void write_png(const std::string& path, const Image& image) {
  std::vector<std::byte> png = encode_png(image);
  AtomicFile file(path);
  file.write(png.data(), png.size());
  file.commit();
}

}  // namespace galago
