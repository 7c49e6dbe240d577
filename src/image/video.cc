#include "image/video.h"

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/error.h"

namespace galago {
namespace {

// The middles of n equal parts of 0 ... length - 1.
std::vector<int64_t> middles(int64_t length, int64_t n) {
  std::vector<int64_t> picked;
  double gap = static_cast<double>(length) / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) picked.push_back(static_cast<int64_t>(static_cast<double>(i) * gap + gap / 2));
  return picked;
}

void check(int64_t n_frames, double fps, int max_frames) {
  CHECK(n_frames >= 0 && max_frames >= 1, "{} frames, at most {}", n_frames, max_frames);
  CHECK(std::isfinite(fps) && fps > 0, "{} frames a second", fps);
}

// Beside the program; one folder up for the test programs.
void* open_module() {
  std::error_code error;
  auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const auto& place : {folder, folder.parent_path()}) {
    std::string file = (place / "galago_video.so").string();
    if (!std::filesystem::exists(file, error)) continue;
    if (void* module = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) return module;
    throw unsupported("cannot read videos: {}; install FFmpeg's libraries", dlerror());
  }
  throw unsupported(
      "cannot read videos: galago_video.so is not beside the program; build galago with FFmpeg "
      "(libavformat, libavcodec, libswscale)");
}

}  // namespace

std::vector<int64_t> frame_indices(int64_t n_frames, double fps, int max_frames) {
  check(n_frames, fps, max_frames);
  double step = std::max(1.0, std::nearbyint(fps));
  auto n = static_cast<int64_t>(std::ceil(static_cast<double>(n_frames) / step));
  auto to_frame = [&](int64_t i) { return static_cast<int64_t>(static_cast<double>(i) * step); };
  std::vector<int64_t> picked = middles(n, std::min<int64_t>(n, max_frames));  // all of them if they are few enough
  std::transform(picked.begin(), picked.end(), picked.begin(), to_frame);
  return picked;
}

PackedFrames packed_frame_indices(int64_t n_frames, double fps, double wanted_fps, int max_frames, int max_pack) {
  check(n_frames, fps, max_frames);
  CHECK(wanted_fps > 0 && max_pack >= 1, "{} frames a second, {} a pack", wanted_fps, max_pack);
  if (n_frames == 0) return {};
  double seconds = static_cast<double>(n_frames) / fps, n = 0;
  PackedFrames result;
  if (wanted_fps * std::trunc(seconds) <= max_frames) {
    n = std::nearbyint(std::min(wanted_fps, std::nearbyint(fps)) * std::min<double>(max_frames, seconds));
  } else {
    double packs = std::ceil(seconds * wanted_fps / max_frames);
    n = packs <= max_pack ? std::nearbyint(seconds * wanted_fps) : double(max_frames) * max_pack;
    result.pack = static_cast<int>(std::min<double>(packs, max_pack));
  }
  result.indices = middles(n_frames, std::max<int64_t>(1, static_cast<int64_t>(n)));  // ours: at least one
  for (int64_t index : result.indices)
    result.times.push_back(static_cast<int>(std::nearbyint(static_cast<double>(index) / fps * 10)));
  return result;
}

std::vector<Image> sample_frames(const std::string& path, const VideoSampling& sampling) {
  using Decode = void(const std::string&, const VideoSampling&, std::vector<Image>&);
  static void* module = open_module();
  static auto* decode = reinterpret_cast<Decode*>(dlsym(module, "galago_decode_video"));
  CHECK(decode, "galago_video.so has no galago_decode_video");
  std::vector<Image> frames;
  decode(path, sampling, frames);
  return frames;
}

}  // namespace galago
