// Pictures from a video file: which frames a model wants (pure arithmetic) and the frames themselves, through FFmpeg.
// FFmpeg brings more than a hundred shared libraries, so the program does not link it: galago_video.so beside the
// program is opened when the first video is read. Containers: MP4, MOV, Matroska, WebM, AVI, MPEG, FLV, Ogg.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "image/image.h"

namespace galago {

// MiniCPM-V 2.6 and 4.0 (openbmb/MiniCPM-V, encode_video): every round(fps)-th frame, about one a second; of more than
// max_frames of these the ones in the middle of max_frames equal parts. Ascending; empty if there are no frames.
// Ours: below half a frame a second every frame counts (the published code fails).
std::vector<int64_t> frame_indices(int64_t n_frames, double fps, int max_frames = 64);

// MiniCPM-V 4.5: wanted_fps frames a second while max_frames allow it; longer videos pack up to max_pack neighbours
// into one set of visual tokens, so max_frames counts packs.
struct PackedFrames {
  std::vector<int64_t> indices;
  std::vector<int> times;  // of each frame, in tenths of a second
  int pack = 1;            // so many neighbours in `indices` belong together
};
PackedFrames packed_frame_indices(int64_t n_frames, double fps, double wanted_fps = 3, int max_frames = 180,
                                  int max_pack = 3);

struct VideoSampling {
  // Numbers of the wanted frames, ascending, in the order of showing.
  std::function<std::vector<int64_t>(int64_t n_frames, double fps)> choose = [](int64_t n_frames, double fps) {
    return frame_indices(n_frames, fps);
  };
  int max_frames = 1024;                        // more are refused
  int64_t max_total_pixels = int64_t{1} << 29;  // of all wanted frames together: 64 frames of 3840 x 2160
  DecodeLimits limits;                          // of one frame
};

// The wanted frames, as stored; facts.orientation says how they must be turned to stand upright, as for photos. Frames
// that the decoder leaves out at the end (some begin in another group) show the last one. Throws Unsupported without
// FFmpeg, InvalidInput for what is not a readable video, NotFound / Io.
std::vector<Image> sample_frames(const std::string& path, const VideoSampling& sampling = {});

}  // namespace galago
