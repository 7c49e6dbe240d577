// galago_video.so: the part of video.h that needs FFmpeg. Two passes: the first counts frames without decoding them,
// the second decodes up to the last wanted one. Only local files in plain containers are opened: a playlist or an
// address could make FFmpeg read anything.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "image/video.h"

namespace galago {
namespace {

struct Free {
  void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
  void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
  void operator()(AVPacket* p) const { av_packet_free(&p); }
  void operator()(AVFrame* p) const { av_frame_free(&p); }
  void operator()(SwsContext* p) const { sws_freeContext(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

constexpr const char* kContainers = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg";

std::string reason(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof(text));
  return text;
}

Error not_a_video(const std::string& path, const std::string& why) {
  return invalid_input(
      "{}: not a video that galago can read: {}; expected MP4, MOV, Matroska, WebM, AVI, MPEG, FLV or "
      "Ogg",
      path, why);
}

Owned<AVFormatContext> open_file(const std::string& path) {
  av_log_set_level(AV_LOG_QUIET);  // errors become sentences here
  AVDictionary* options = nullptr;
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  av_dict_set(&options, "format_whitelist", kContainers, 0);
  AVFormatContext* opened = nullptr;
  int code = avformat_open_input(&opened, ("file:" + path).c_str(), nullptr, &options);
  av_dict_free(&options);
  if (code < 0) throw not_a_video(path, reason(code));
  Owned<AVFormatContext> file(opened);
  code = avformat_find_stream_info(file.get(), nullptr);
  if (code < 0) throw not_a_video(path, reason(code));
  return file;
}

// EXIF's number for the turn that the container asks for; mirrored videos are unknown to us.
int orientation_of(const AVStream& stream) {
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
  const AVPacketSideData* data = av_packet_side_data_get(
      stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
  const uint8_t* matrix = data && data->size >= 36 ? data->data : nullptr;
#else
  size_t size = 0;
  const uint8_t* matrix = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (size < 36) matrix = nullptr;
#endif
  if (!matrix) return 1;
  double degrees = av_display_rotation_get(reinterpret_cast<const int32_t*>(matrix));  // counterclockwise; may be NaN
  if (!std::isfinite(degrees)) return 1;
  constexpr int kTurns[] = {1, 8, 3, 6};
  return kTurns[(std::lround(degrees / 90) % 4 + 4) % 4];
}

// One open file with a decoder for its best video stream. One thread.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), file_(open_file(path)) {
    const AVCodec* codec = nullptr;
    index_ = av_find_best_stream(file_.get(), AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    if (index_ < 0 || !codec) throw not_a_video(path, "it holds no pictures, or in a form that FFmpeg does not know");
    stream_ = file_->streams[index_];
    decoder_.reset(avcodec_alloc_context3(codec));
    CHECK(decoder_);
    if (avcodec_parameters_to_context(decoder_.get(), stream_->codecpar) < 0) throw not_a_video(path, "broken header");
    decoder_->thread_count = 1;  // no threads behind the caller's back
  }

  double fps() const {
    AVRational rate = stream_->avg_frame_rate.num > 0 ? stream_->avg_frame_rate : stream_->r_frame_rate;
    double fps = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
    return fps > 0 && std::isfinite(fps) ? fps : 25;  // a file that does not say; any number is better than none
  }
  int width() const { return stream_->codecpar->width; }
  int height() const { return stream_->codecpar->height; }
  int orientation() const { return orientation_of(*stream_); }

  // Reads to the end.
  int64_t count_frames() {
    int64_t n = 0;
    while (next_packet()) n += (packet_->flags & AV_PKT_FLAG_DISCARD) == 0;
    return n;
  }

  void start_decoding(uint64_t max_pixels) {
    decoder_->max_pixels = static_cast<int64_t>(max_pixels);
    int code = avcodec_open2(decoder_.get(), nullptr, nullptr);
    if (code < 0) throw not_a_video(path_, reason(code));
  }

  // The next frame in the order of showing; null at the end. Valid until the next call.
  const AVFrame* next_frame() {
    for (;;) {
      int code = avcodec_receive_frame(decoder_.get(), frame_.get());
      if (code == 0) return frame_.get();
      if (code == AVERROR_EOF) return nullptr;
      if (code != AVERROR(EAGAIN)) throw broken(code);
      bool more = next_packet();
      code = avcodec_send_packet(decoder_.get(), more ? packet_.get() : nullptr);
      if (code < 0) throw broken(code);
    }
  }

 private:
  bool next_packet() {
    for (;;) {
      av_packet_unref(packet_.get());
      if (av_read_frame(file_.get(), packet_.get()) < 0) return false;
      if (packet_->stream_index == index_) return true;
    }
  }
  Error broken(int code) const {
    return invalid_input("{}: broken video data: {}. Use an intact copy of the video.", path_, reason(code));
  }

  std::string path_;
  Owned<AVFormatContext> file_;
  int index_ = -1;
  AVStream* stream_ = nullptr;
  Owned<AVCodecContext> decoder_;
  Owned<AVPacket> packet_{av_packet_alloc()};
  Owned<AVFrame> frame_{av_frame_alloc()};
};

// In the colors that the frame says it has; BT.601 if it does not say, as FFmpeg has it. Not with SWS_ACCURATE_RND: in
// FFmpeg 5.1 that alone makes everything 1 % darker.
Image to_image(const std::string& path, const AVFrame& frame, const DecodeLimits& limits) {
  if (frame.width < 1 || frame.height < 1 || std::max(frame.width, frame.height) > limits.max_side ||
      static_cast<uint64_t>(frame.width) * static_cast<uint64_t>(frame.height) > limits.max_pixels)
    throw invalid_input("{}: a frame of {} x {} pixels; the limit is {} pixels", path, frame.width, frame.height,
                        limits.max_pixels);
  auto format = static_cast<AVPixelFormat>(frame.format);
  Owned<SwsContext> scaler(sws_getContext(frame.width, frame.height, format, frame.width, frame.height,
                                          AV_PIX_FMT_RGB24, SWS_BICUBIC, nullptr, nullptr, nullptr));
  if (!scaler) throw invalid_input("{}: pixels that FFmpeg cannot turn into RGB. Convert the video first.", path);
  int full_range = frame.color_range == AVCOL_RANGE_JPEG;
  sws_setColorspaceDetails(scaler.get(), sws_getCoefficients(frame.colorspace), full_range,
                           sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
  Image image;
  image.width = image.facts.stored_width = frame.width;
  image.height = image.facts.stored_height = frame.height;
  image.rgb.resize(image.row_bytes() * static_cast<size_t>(image.height) + 64);  // swscale may write beyond the end
  uint8_t* planes[] = {image.rgb.data(), nullptr, nullptr, nullptr};
  int strides[] = {static_cast<int>(image.row_bytes()), 0, 0, 0};
  sws_scale(scaler.get(), frame.data, frame.linesize, 0, frame.height, planes, strides);
  image.rgb.resize(image.row_bytes() * static_cast<size_t>(image.height));
  return image;
}

void check_choice(const std::string& path, const std::vector<int64_t>& wanted, int64_t n_frames,
                  const VideoSampling& sampling, const Reader& reader) {
  CHECK(std::is_sorted(wanted.begin(), wanted.end()), "frames must be chosen in ascending order");
  CHECK(wanted.empty() || (wanted.front() >= 0 && wanted.back() < n_frames), "a chosen frame is not in the video");
  auto n = static_cast<int64_t>(wanted.size()), pixels = int64_t{reader.width()} * reader.height();
  if (n > sampling.max_frames || (pixels > 0 && n > sampling.max_total_pixels / pixels))
    throw invalid_input("{}: {} frames of {} x {} pixels are too many to hold; sample fewer, or shrink the video", path,
                        n, reader.width(), reader.height());
}

std::vector<Image> decode(const std::string& path, const VideoSampling& sampling) {
  if (!std::filesystem::exists(path)) throw not_found("{}: no such file", path);
  double fps = Reader(path).fps();
  int64_t n_frames = Reader(path).count_frames();
  if (n_frames == 0) throw not_a_video(path, "it has no frames");
  Reader reader(path);
  std::vector<int64_t> wanted = sampling.choose(n_frames, fps);
  check_choice(path, wanted, n_frames, sampling, reader);
  reader.start_decoding(sampling.limits.max_pixels);
  std::vector<Image> images;
  int64_t shown = 0;
  for (; images.size() < wanted.size(); ++shown) {
    const AVFrame* frame = reader.next_frame();
    if (!frame) break;
    if (wanted[images.size()] != shown) continue;
    Image image = to_image(path, *frame, sampling.limits);
    image.facts.format = "video";
    image.facts.orientation = reader.orientation();
    while (images.size() < wanted.size() && wanted[images.size()] == shown) images.push_back(image);
  }
  if (images.size() * 2 < wanted.size() || (images.empty() && !wanted.empty()))
    throw invalid_input("{}: only {} of {} frames can be decoded. Use an intact copy of the video.", path, shown,
                        n_frames);
  while (images.size() < wanted.size()) images.push_back(images.back());
  return images;
}

}  // namespace
}  // namespace galago

extern "C" void galago_decode_video(const std::string& path, const galago::VideoSampling& sampling,
                                    std::vector<galago::Image>& frames) {
  frames = galago::decode(path, sampling);
}
