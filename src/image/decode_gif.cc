// GIF by giflib: the first frame, put onto its canvas as Pillow does: what the frame does not cover has the transparent
// colour's entry of the palette, or entry 0; a frame that reaches beyond the canvas makes it larger.
#include <gif_lib.h>

#include <array>
#include <vector>

#include "image/decode.h"

namespace galago {
namespace {

struct Source {
  Bytes bytes;
  size_t position = 0;
};

int read_bytes(GifFileType* gif, GifByteType* out, int n) {
  auto& source = *static_cast<Source*>(gif->UserData);
  Bytes part = slice(source.bytes, source.position, static_cast<uint64_t>(n));
  if (!part.empty()) std::memcpy(out, part.data(), part.size());
  source.position += part.size();
  return static_cast<int>(part.size());
}

// Owns one decoder; lives on the stack of decode_gif.
struct GifReader {
  explicit GifReader(const DecodeJob& job) : job(job), source{job.bytes} {
    int error = 0;
    gif = DGifOpen(&source, read_bytes, &error);
    if (!gif) fail(error);
  }
  ~GifReader() { DGifCloseFile(gif, nullptr); }
  GifReader(const GifReader&) = delete;

  void expect(int status) const {
    if (status == GIF_ERROR) fail(gif->Error);
  }

  [[noreturn]] void fail(int error) const {
    if (source.position >= job.bytes.size()) throw ends_early(job);
    const char* text = GifErrorString(error);
    throw broken_data(job, text ? text : "giflib cannot read it");
  }

  // Remembers the transparent index of a graphics control block: size 4, flags, delay (2 bytes), index.
  void read_extension() {
    int code = 0;
    GifByteType* block = nullptr;
    expect(DGifGetExtension(gif, &code, &block));
    bool control = code == GRAPHICS_EXT_FUNC_CODE && block && block[0] == 4;
    if (control) transparent = block[1] & 1 ? block[4] : -1;
    while (block) expect(DGifGetExtensionNext(gif, &block));
  }

  // Stops behind the header of the first frame.
  void find_first_frame() {
    while (true) {
      GifRecordType record;
      expect(DGifGetRecordType(gif, &record));
      if (record == IMAGE_DESC_RECORD_TYPE) break;
      if (record == TERMINATE_RECORD_TYPE) throw broken_data(job, "there is no picture in it");
      if (record == EXTENSION_RECORD_TYPE) read_extension();
    }
    expect(DGifGetImageDesc(gif));
  }

  void read_row(GifPixelType* row) { expect(DGifGetLine(gif, row, gif->Image.Width)); }

  const DecodeJob& job;
  Source source;
  GifFileType* gif = nullptr;
  int transparent = -1;
};

using Palette = std::array<Color, 256>;

// The frame's own palette, else the file's, else gray.
Palette make_palette(const GifFileType& gif) {
  Palette palette{};
  const ColorMapObject* map = gif.Image.ColorMap ? gif.Image.ColorMap : gif.SColorMap;
  for (int i = 0; i < 256 && !map; ++i) palette[i] = {uint8_t(i), uint8_t(i), uint8_t(i)};
  for (int i = 0; map && i < map->ColorCount && i < 256; ++i)
    palette[i] = {map->Colors[i].Red, map->Colors[i].Green, map->Colors[i].Blue};
  return palette;
}

struct InterlacePass {
  int first, step;
};
constexpr InterlacePass kInOrder[] = {{0, 1}};
constexpr InterlacePass kInterlaced[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};

void read_frame(GifReader& reader, const Palette& palette, Image& image) {
  const GifImageDesc& frame = reader.gif->Image;
  std::vector<GifPixelType> indices(static_cast<size_t>(frame.Width));
  std::span<const InterlacePass> passes(kInOrder);
  if (frame.Interlace) passes = kInterlaced;
  for (InterlacePass pass : passes) {
    for (int y = pass.first; y < frame.Height; y += pass.step) {
      reader.read_row(indices.data());
      uint8_t* out = image.pixel(frame.Left, frame.Top + y);
      for (GifPixelType index : indices) {
        *out++ = palette[index].red;
        *out++ = palette[index].green;
        *out++ = palette[index].blue;
      }
    }
  }
}

}  // namespace

Image decode_gif(const DecodeJob& job) {
  GifReader reader(job);
  reader.find_first_frame();
  const GifFileType& gif = *reader.gif;
  const GifImageDesc& frame = gif.Image;
  if (frame.Width <= 0 || frame.Height <= 0) throw broken_data(job, "the first frame is empty");
  int width = std::max(gif.SWidth, frame.Left + frame.Width), height = std::max(gif.SHeight, frame.Top + frame.Height);
  check_size(job, static_cast<uint64_t>(width), static_cast<uint64_t>(height));
  Palette palette = make_palette(gif);
  Image image = make_image(width, height, palette[static_cast<size_t>(std::max(reader.transparent, 0))]);
  read_frame(reader, palette, image);
  return image;
}

}  // namespace galago
