// WebP by libwebp. Alpha is dropped. Of an animation the first frame counts, put onto its black canvas.
#include <webp/decode.h>

#include "image/decode.h"
#include "image/exif.h"

namespace galago {
namespace {

// Where the pixels are: the whole file, or the first frame of an animation.
struct Frame {
  Bytes data;
  uint64_t x = 0, y = 0;
};

uint32_t le24(Bytes b, size_t at) { return le16(b, at) | static_cast<uint32_t>(b[at + 2]) << 16; }

// An ANMF chunk holds x/2, y/2, width-1, height-1, duration (3 bytes each), flags, and then the chunks of a picture.
Frame first_frame(const DecodeJob& job) {
  Bytes chunk = find_webp_chunk(job.bytes, "ANMF");
  if (!has(chunk, 0, 16)) throw ends_early(job);
  return {slice(chunk, 16), 2ull * le24(chunk, 0), 2ull * le24(chunk, 3)};
}

WebPBitstreamFeatures read_features(const DecodeJob& job, Bytes data) {
  WebPBitstreamFeatures features;
  VP8StatusCode status = WebPGetFeatures(data.data(), data.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) throw ends_early(job);
  if (status != VP8_STATUS_OK) throw broken_data(job, "the header makes no sense");
  return features;
}

void decode_into(const DecodeJob& job, Bytes data, uint8_t* rgb, size_t stride, size_t n_bytes) {
  WebPDecoderConfig config;
  CHECK(WebPInitDecoderConfig(&config));
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {rgb, static_cast<int>(stride), n_bytes};
  VP8StatusCode status = WebPDecode(data.data(), data.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA || status == VP8_STATUS_SUSPENDED) throw ends_early(job);
  if (status != VP8_STATUS_OK) throw broken_data(job, "the pixels cannot be decoded");
}

}  // namespace

Image decode_webp(const DecodeJob& job) {
  WebPBitstreamFeatures canvas = read_features(job, job.bytes);
  Frame frame{job.bytes};
  WebPBitstreamFeatures size = canvas;
  if (canvas.has_animation) {
    frame = first_frame(job);
    size = read_features(job, frame.data);
  }
  uint64_t width = static_cast<uint64_t>(canvas.width), height = static_cast<uint64_t>(canvas.height);
  check_size(job, width, height);
  bool inside =
      frame.x + static_cast<uint64_t>(size.width) <= width && frame.y + static_cast<uint64_t>(size.height) <= height;
  if (!inside) throw broken_data(job, "the first frame reaches beyond the canvas");
  Image image = make_image(canvas.width, canvas.height);
  uint8_t* corner = image.pixel(static_cast<int>(frame.x), static_cast<int>(frame.y));
  size_t n_bytes = image.rgb.size() - static_cast<size_t>(corner - image.rgb.data());
  decode_into(job, frame.data, corner, image.row_bytes(), n_bytes);
  return image;
}

}  // namespace galago
