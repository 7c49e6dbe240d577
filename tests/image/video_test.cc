#include "image/video.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/support/temporary_folder.h"

namespace galago {
namespace {

using Indices = std::vector<int64_t>;

TEST(FrameIndices, AboutOneASecond) {  // MiniCPM-V 2.6
  EXPECT_EQ(frame_indices(100, 25), (Indices{0, 25, 50, 75}));
  EXPECT_EQ(frame_indices(101, 25), (Indices{0, 25, 50, 75, 100}));
  EXPECT_EQ(frame_indices(90, 29.97), (Indices{0, 30, 60}));
  EXPECT_EQ(frame_indices(6, 2.5), (Indices{0, 2, 4}));  // half to even
  EXPECT_EQ(frame_indices(3, 0.2), (Indices{0, 1, 2}));
  EXPECT_EQ(frame_indices(1, 1000), (Indices{0}));
  EXPECT_EQ(frame_indices(0, 25), Indices{});
}

TEST(FrameIndices, TheMiddlesOfEqualPartsOfALongVideo) {
  Indices all = frame_indices(64 * 30, 30);
  ASSERT_EQ(all.size(), 64u);
  EXPECT_EQ(all[63], 63 * 30);
  Indices long_video = frame_indices(100 * 30, 30);  // 100 candidates, gap 100 / 64 = 1.5625
  ASSERT_EQ(long_video.size(), 64u);
  EXPECT_EQ(long_video[0], 0);                             // int(0.78)
  EXPECT_EQ(long_video[1], 2 * 30);                        // int(2.34)
  EXPECT_EQ(long_video[63], 99 * 30);                      // int(99.2)
  EXPECT_EQ(frame_indices(10, 1, 3), (Indices{1, 5, 8}));  // gap 10 / 3: 1.67, 5, 8.33
  EXPECT_EQ(frame_indices(int64_t{1} << 50, 1, 2), (Indices{int64_t{1} << 48, 3 * (int64_t{1} << 48)}));
}

// MiniCPM-V 4.5's rule, by hand.
TEST(FrameIndices, PackedWhenTheVideoIsLong) {
  PackedFrames brief = packed_frame_indices(300, 30);  // 10 s: 3 a second, 30 frames
  EXPECT_EQ(brief.pack, 1);
  ASSERT_EQ(brief.indices.size(), 30u);
  EXPECT_EQ(brief.indices[0], 5);                         // gap 10
  EXPECT_EQ(brief.times[1], 5);                           // frame 15: 0.5 s
  PackedFrames minutes = packed_frame_indices(3000, 30);  // 100 s: 300 frames do not fit 180
  EXPECT_EQ(minutes.pack, 2);
  EXPECT_EQ(minutes.indices.size(), 300u);
  PackedFrames hour = packed_frame_indices(108000, 30);
  EXPECT_EQ(hour.pack, 3);
  EXPECT_EQ(hour.indices.size(), 540u);
  EXPECT_LT(hour.indices.back(), 108000);
  EXPECT_EQ(packed_frame_indices(2, 30).indices.size(), 1u);
  EXPECT_TRUE(packed_frame_indices(0, 30).indices.empty());
}

const std::string kVideo = GALAGO_SOURCE_DIR "/tests/image/video/counter.mp4";

bool has_ffmpeg() {
  try {
    sample_frames(kVideo);
  } catch (const Error& error) {
    return error.kind() != ErrorKind::Unsupported;
  }
  return true;
}

#define SKIP_WITHOUT_FFMPEG() \
  if (!has_ffmpeg()) GTEST_SKIP() << "galago_video.so is not built: FFmpeg's libraries are missing"

VideoSampling these(Indices indices) {
  VideoSampling sampling;
  sampling.choose = [indices](int64_t, double) { return indices; };
  return sampling;
}

// 90 grey frames of 64 x 48, ten a second, H.264 with frames stored out of order; frame n has luma 16 + 2 n (made with
// ffmpeg's geq), which is 255 / 219 * 2 n as RGB.
TEST(SampleFrames, ShowsTheFramesInTheirOrder) {
  SKIP_WITHOUT_FFMPEG();
  Indices wanted = {0, 1, 2, 7, 44, 44, 89};
  std::vector<Image> frames = sample_frames(kVideo, these(wanted));
  ASSERT_EQ(frames.size(), wanted.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].width, 64);
    EXPECT_EQ(frames[i].height, 48);
    EXPECT_EQ(frames[i].facts.orientation, 1);
    for (int c = 0; c < 3; ++c)  // neighbours differ by 2.3; the encoder loses less than 1
      EXPECT_NEAR(frames[i].pixel(32, 24)[c], 255.0 / 219 * 2 * static_cast<double>(wanted[i]), 1.1) << wanted[i];
  }
}

TEST(SampleFrames, TheRuleSeesLengthAndRate) {
  SKIP_WITHOUT_FFMPEG();
  VideoSampling sampling;
  sampling.choose = [](int64_t n_frames, double fps) {
    EXPECT_EQ(n_frames, 90);
    EXPECT_NEAR(fps, 10, 1e-9);
    return frame_indices(n_frames, fps);
  };
  EXPECT_EQ(sample_frames(kVideo, sampling).size(), 9u);
}

TEST(SampleFrames, RefusesTooMuch) {
  SKIP_WITHOUT_FFMPEG();
  VideoSampling few = these({1, 2, 3}), small = these({1, 2, 3}), tiny = these({1});
  few.max_frames = 2;
  small.max_total_pixels = 64 * 48 * 2;
  tiny.limits.max_pixels = 100;
  EXPECT_THROW(sample_frames(kVideo, few), Error);
  EXPECT_THROW(sample_frames(kVideo, small), Error);
  EXPECT_THROW(sample_frames(kVideo, tiny), Error);
}

TEST(SampleFrames, GarbageAndPlaylistsAreErrors) {
  SKIP_WITHOUT_FFMPEG();
  EXPECT_THROW(sample_frames("/nowhere/film.mp4"), Error);
  const std::pair<std::string, std::string> files[] = {
      {"empty.mp4", ""},
      {"text.mp4", "this is not a video"},
      {"list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n" + kVideo + "\n#EXT-X-ENDLIST\n"},
      {"list.txt", "ffconcat version 1.0\nfile '" + kVideo + "'\n"},
  };
  testing::TemporaryFolder folder;
  for (const auto& [name, text] : files) {
    write_file(folder.file(name), text);
    EXPECT_THROW(sample_frames(folder.file(name)), Error) << name;
  }
}

// Cut anywhere or damaged anywhere: frames or an Error, never a crash.
TEST(SampleFrames, SurvivesDamage) {
  SKIP_WITHOUT_FFMPEG();
  std::string whole = read_file(kVideo);
  testing::TemporaryFolder folder;
  const std::string path = folder.file("damaged.mp4");
  auto try_it = [&](const std::string& bytes) {
    write_file(path, bytes);
    try {
      for (const Image& frame : sample_frames(path)) EXPECT_EQ(frame.rgb.size(), 3u * frame.width * frame.height);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("damaged.mp4"), std::string::npos);
    }
  };
  for (size_t n = 0; n < whole.size(); n += whole.size() / 25) try_it(whole.substr(0, n));
  for (size_t at = 3; at < whole.size(); at += whole.size() / 60) {
    std::string damaged = whole;
    for (size_t i = at; i < std::min(at + 4, whole.size()); ++i) damaged[i] = static_cast<char>(0xFF - damaged[i] / 3);
    try_it(damaged);
  }
}

}  // namespace
}  // namespace galago
