// The pictures a captioning model is asked about, with their reference texts and scene graphs: painted here from a
// seed, or read from a folder that `galago data scenes` wrote.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/scene.h"
#include "image/image.h"

namespace galago {

struct SceneItem {
  int64_t index = 0;       // in its split
  std::string image_path;  // empty for a painted scene
  Image image;
  std::string reference;
  Scene scene;
};

struct SceneItemOptions {
  std::string folder;  // empty: paint
  Split split = Split::Test;
  int64_t count = 100;
  uint64_t seed = 1;            // of painted scenes
  int picture_size = 128;       // of painted scenes, pixels
  std::string style = "short";  // of the references: short, long, or list (the facts alone)
};

class SceneItems {
 public:
  virtual ~SceneItems() = default;
  virtual int64_t size() const = 0;
  virtual SceneItem item(int64_t i) const = 0;                           // 0 .. size() - 1
  virtual std::vector<std::string> training_texts(int64_t n) const = 0;  // the first n of the same style, or fewer
};

// Throws InvalidInput / NotFound for an unknown style, a missing font, a missing or broken folder.
std::unique_ptr<SceneItems> make_scene_items(const SceneItemOptions& options);

}  // namespace galago
