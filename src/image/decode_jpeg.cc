// JPEG by libjpeg-turbo with its defaults (accurate integer DCT, smooth chroma upsampling), which are also Pillow's.
#include <cstdio>
// jpeglib.h uses FILE without including it, so it comes after cstdio.
#include <jerror.h>
#include <jpeglib.h>

#include "image/c_error_trap.h"
#include "image/decode.h"

namespace galago {
namespace {

// A progressive file may repeat scans at will, each a pass over the whole picture; encoders write about ten.
constexpr int kMaxScans = 500;
// A block of 8 x 8 takes at least one bit in any Huffman-coded file, so a byte holds at most this many pixels.
constexpr uint64_t kMaxPixelsPerByte = 64 * 8;

CErrorTrap& trap_of(j_common_ptr info) { return *static_cast<CErrorTrap*>(info->client_data); }

[[noreturn]] void on_error(j_common_ptr info) {
  char text[JMSG_LENGTH_MAX];
  info->err->format_message(info, text);
  trap_of(info).fail(text);
}

// Level -1 is a warning. Libjpeg fills a file that ends early with gray; here that is an error.
void on_message(j_common_ptr info, int level) {
  if (level >= 0 || info->err->msg_code != JWRN_JPEG_EOF) return;
  trap_of(info).ended_early = true;
  on_error(info);
}

void on_progress(j_common_ptr info) {
  auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  if (decoder->input_scan_number > kMaxScans) trap_of(info).fail("more than 500 scans");
}

// Owns one decoder; lives on the stack of decode_jpeg.
struct JpegReader {
  explicit JpegReader(const DecodeJob& job) : job(job) {
    decoder.err = jpeg_std_error(&errors);
    errors.error_exit = on_error;
    errors.emit_message = on_message;
    decoder.client_data = &trap;
    progress.progress_monitor = on_progress;
  }
  ~JpegReader() { jpeg_destroy_decompress(&decoder); }
  JpegReader(const JpegReader&) = delete;

  void read_header() {
    bool ok = call_c(trap, [this] {
      jpeg_create_decompress(&decoder);
      decoder.progress = &progress;
      jpeg_mem_src(&decoder, job.bytes.data(), job.bytes.size());
      jpeg_read_header(&decoder, TRUE);
    });
    if (!ok) fail();
  }

  void start() {
    decoder.out_color_space = decoder.num_components == 4 ? JCS_CMYK : JCS_RGB;
    if (!call_c(trap, [this] { jpeg_start_decompress(&decoder); })) fail();
  }

  void read_row(uint8_t* row) {
    if (!call_c(trap, [this, &row] { jpeg_read_scanlines(&decoder, &row, 1); })) fail();
  }

  [[noreturn]] void fail() const {
    if (trap.ended_early) throw ends_early(job);
    throw broken_data(job, trap.message);
  }

  const DecodeJob& job;
  CErrorTrap trap;
  jpeg_decompress_struct decoder{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
};

// Adobe stores ink inverted (255 = none), and so does nearly everybody; Pillow assumes it always.
// colour = black - (255 - ink) * black / 255, the product rounded as Pillow rounds it.
void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, int n_pixels) {
  for (int i = 0; i < n_pixels; ++i, cmyk += 4, rgb += 3) {
    int black = cmyk[3];
    for (int c = 0; c < 3; ++c) {
      int product = (255 - cmyk[c]) * black + 128;
      rgb[c] = static_cast<uint8_t>(black - (((product >> 8) + product) >> 8));
    }
  }
}

}  // namespace

Image decode_jpeg(const DecodeJob& job) {
  JpegReader reader(job);
  reader.read_header();
  uint64_t width = reader.decoder.image_width, height = reader.decoder.image_height;
  check_size(job, width, height);
  if (!reader.decoder.arith_code && width * height / kMaxPixelsPerByte > job.bytes.size()) throw ends_early(job);
  reader.start();
  Image image = make_image(static_cast<int>(width), static_cast<int>(height));
  bool cmyk = reader.decoder.out_color_space == JCS_CMYK;
  std::vector<uint8_t> inks(cmyk ? width * 4 : 0);
  for (int y = 0; y < image.height; ++y) {
    reader.read_row(cmyk ? inks.data() : image.row(y));
    if (cmyk) cmyk_to_rgb(inks.data(), image.row(y), image.width);
  }
  return image;
}

}  // namespace galago
