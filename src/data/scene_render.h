// Paints a scene graph: ground, shadows, glyphs, light, blur, noise, JPEG. The JPEG is part of the picture: the file on
// disk holds exactly those bytes, so a picture painted on the fly and the same picture read from disk are equal.
#pragma once

#include <cstddef>
#include <vector>

#include "data/glyphs.h"
#include "data/scene.h"
#include "image/image.h"

namespace galago {

inline constexpr int kMinSceneSize = 64, kMaxSceneSize = 448;

// A finished picture as JPEG, [size, size]. Any number of threads may share the book.
std::vector<std::byte> render_jpeg(const Scene&, int size, GlyphBook&);

// The same, decoded.
Image render(const Scene&, int size, GlyphBook&);

// Before JPEG, for those who want lossless pixels.
Image render_lossless(const Scene&, int size, GlyphBook&);

// The ground alone (scene_ground.cc). Image is [size, size].
Image paint_ground(const Scene&, int size);

}  // namespace galago
