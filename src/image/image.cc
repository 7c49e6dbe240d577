#include "image/image.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "image/decode.h"
#include "image/exif.h"

namespace galago {
namespace {

bool looks_like_jpeg(Bytes b) { return text_at(b, 0, "\xff\xd8\xff"); }
bool looks_like_png(Bytes b) { return text_at(b, 0, "\x89PNG\r\n\x1a\n"); }
bool looks_like_webp(Bytes b) { return text_at(b, 0, "RIFF") && text_at(b, 8, "WEBP"); }
bool looks_like_gif(Bytes b) { return text_at(b, 0, "GIF87a") || text_at(b, 0, "GIF89a"); }
bool looks_like_bmp(Bytes b) { return text_at(b, 0, "BM") && b.size() >= 26; }

struct Format {
  std::string_view name;
  bool (*matches)(Bytes);
  Image (*decode)(const DecodeJob&);
  int (*orientation)(Bytes);  // null: the format has no place for EXIF
};

constexpr Format kFormats[] = {
    {"JPEG", looks_like_jpeg, decode_jpeg, jpeg_orientation},
    {"PNG", looks_like_png, decode_png, png_orientation},
    {"WEBP", looks_like_webp, decode_webp, webp_orientation},
    {"GIF", looks_like_gif, decode_gif, nullptr},
    {"BMP", looks_like_bmp, decode_bmp, nullptr},
};

const Format& find_format(Bytes bytes, const std::string& subject) {
  for (const Format& format : kFormats)
    if (format.matches(bytes)) return format;
  throw invalid_input("{}: not a picture that galago can read: {}; expected JPEG, PNG, WebP, GIF or BMP data", subject,
                      bytes.empty() ? "the file is empty" : "unknown first bytes");
}

std::string human_bytes(double n_bytes) {
  if (n_bytes >= 0x1p30) return fmt::format("{:.1f} GB", n_bytes * 0x1p-30);
  if (n_bytes >= 0x1p20) return fmt::format("{:.0f} MB", n_bytes * 0x1p-20);
  return fmt::format("{:.0f} KB", n_bytes * 0x1p-10);
}

}  // namespace

void check_size(const DecodeJob& job, uint64_t width, uint64_t height) {
  if (width == 0 || height == 0)
    throw invalid_input("{}: {} header says {} x {} pixels: the picture is empty", job.subject, job.format, width,
                        height);
  double n_bytes = 3.0 * static_cast<double>(width) * static_cast<double>(height);
  double limit = 3.0 * static_cast<double>(job.limits.max_pixels);
  if (n_bytes > limit)
    throw invalid_input("{}: {} header says {} x {} pixels ({}); the limit is {}. Use --max-pixels to raise it.",
                        job.subject, job.format, width, height, human_bytes(n_bytes), human_bytes(limit));
  if (std::max(width, height) > static_cast<uint64_t>(job.limits.max_side))
    throw invalid_input("{}: {} header says {} x {} pixels; no side may be longer than {}. Cut the picture first.",
                        job.subject, job.format, width, height, job.limits.max_side);
}

Error broken_data(const DecodeJob& job, std::string_view reason) {
  return invalid_input("{}: broken {} data: {}. Use an intact copy of the picture.", job.subject, job.format, reason);
}

Error ends_early(const DecodeJob& job) {
  return invalid_input("{}: {} data ends after {} bytes, before the picture is complete. Use an intact copy.",
                       job.subject, job.format, job.bytes.size());
}

Image make_image(int width, int height, Color color) {
  CHECK(width > 0 && height > 0, "picture of {} x {}", width, height);
  Image image;
  image.width = image.facts.stored_width = width;
  image.height = image.facts.stored_height = height;
  image.rgb.resize(image.row_bytes() * static_cast<size_t>(height));
  if (color.red == 0 && color.green == 0 && color.blue == 0) return image;
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    image.rgb[i] = color.red;
    image.rgb[i + 1] = color.green;
    image.rgb[i + 2] = color.blue;
  }
  return image;
}

Image decode_image(std::span<const std::byte> bytes, const std::string& subject, const DecodeLimits& limits) {
  Bytes data(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  const Format& format = find_format(data, subject);
  Image image = format.decode({data, subject, limits, format.name});
  image.facts.format = format.name;
  if (format.orientation) image.facts.orientation = format.orientation(data);
  return image;
}

Image load_image(const std::string& path, const DecodeLimits& limits) {
  std::string file = read_file(path);
  return decode_image(std::as_bytes(std::span(file)), path, limits);
}

Image upright(Image image) {
  int turn = image.facts.orientation;
  CHECK(turn >= 1 && turn <= 8, "EXIF orientation {}", turn);
  if (turn == 1) return image;
  bool swap = turn >= 5;                                             // rows become columns
  bool mirror_x = turn == 2 || turn == 3 || turn == 7 || turn == 8;  // the source is read from its right side
  bool mirror_y = turn == 3 || turn == 4 || turn == 6 || turn == 7;  // ... from its bottom
  Image out = swap ? make_image(image.height, image.width) : make_image(image.width, image.height);
  out.facts = image.facts;
  out.facts.orientation = 1;
  for (int y = 0; y < out.height; ++y) {
    uint8_t* to = out.row(y);
    for (int x = 0; x < out.width; ++x, to += 3) {
      int source_x = swap ? y : x, source_y = swap ? x : y;
      const uint8_t* from = image.pixel(mirror_x ? image.width - 1 - source_x : source_x,
                                        mirror_y ? image.height - 1 - source_y : source_y);
      std::copy_n(from, 3, to);
    }
  }
  return out;
}

}  // namespace galago
