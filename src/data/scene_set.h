// Captioned scenes as a data set: sampled on the fly for a trainer, or written to a folder once.
//   OUT/scenes.json                     format version, options, counts, how many texts miss the length rule
//   OUT/{train,val,test,test_unseen}.jsonl   one line a text: image, text, style, scene (the graph)
//   OUT/images/SPLIT/NNN/NNNNNN.jpg      1000 to a folder; equal to what SceneSource gives for the same seed and index
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/scene_captions.h"
#include "data/scene_render.h"

namespace galago {

struct SceneOptions {
  uint64_t seed = 1;
  int size = 128;  // pixels of a side
  Style style = Style::Short;
  std::string font = kEmojiFont;
};

struct Sample {
  Image image;  // [size, size]
  std::string text;
  Scene scene;
};

// Any number of threads may call it; every answer depends only on the options, the split and the index.
class SceneSource {
 public:
  explicit SceneSource(SceneOptions options);  // reads the font; throws NotFound if it is not installed

  const SceneOptions& options() const { return options_; }
  Scene scene(Split split, int64_t index) const { return make_scene(options_.seed, split, index); }
  std::string text(const Scene&) const;
  std::string text(const Scene&, Style) const;
  Image image(const Scene& scene) const { return render(scene, options_.size, *book_); }
  std::vector<std::byte> jpeg(const Scene& scene) const { return render_jpeg(scene, options_.size, *book_); }
  Sample sample(Split split, int64_t index) const;

 private:
  SceneOptions options_;
  std::unique_ptr<GlyphBook> book_;
};

struct SceneSetOptions {
  SceneOptions scenes;
  std::array<int64_t, kSplits> counts = {20000, 1000, 1000, 500};  // pictures: train, val, test, test_unseen
  std::vector<Style> styles = {Style::Short};                      // one line a picture and style
  int threads = 0;                                                 // 0 = one per processor
};

struct SceneSetReport {
  int64_t pictures = 0, texts = 0;
  int64_t already_there = 0;   // pictures kept from an earlier, unfinished run
  int64_t outside_length = 0;  // texts that miss the length rule (written all the same)
};

// Called now and then on the calling thread; may throw Cancelled, and a later call goes on where this one stopped.
using SceneProgress = std::function<void(int64_t done, int64_t total)>;

// Throws InvalidInput if OUT holds a set made with other options, Io if it cannot be written.
SceneSetReport write_scenes(const std::string& out_dir, const SceneSetOptions&, const SceneProgress& progress = {});

}  // namespace galago
