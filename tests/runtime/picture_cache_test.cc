// Pictures that were seen before: the same rows without encoding, and nothing else for any other picture or model.
#include "runtime/picture_cache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/file.h"
#include "runtime/picture_encoder.h"
#include "tests/runtime/small_model.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

namespace fs = std::filesystem;

Digest key(uint8_t n) {
  Digest digest{};
  digest[0] = n;
  return digest;
}

Tensor rows(int n, float value) {
  Tensor t = Tensor::make(DType::F32, {n, 4});
  for (float& x : t.f32()) x = value++;
  return t;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::equal(a.f32().begin(), a.f32().end(), b.f32().begin());
}

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("galago_pictures_{}", ::getpid());
  Folder() { fs::remove_all(path); }
  ~Folder() { fs::remove_all(path); }
};

TEST(PictureCache, TheLeastRecentlyUsedGoFirst) {
  PictureCache cache({.max_bytes = 3 * 2 * 16});  // three pictures of two rows
  for (uint8_t i = 0; i < 3; ++i) cache.add(key(i), rows(2, i));
  EXPECT_EQ(cache.n_bytes(), 96u);
  EXPECT_TRUE(cache.find(key(0), {2, 4}));
  cache.add(key(3), rows(2, 3));
  EXPECT_FALSE(cache.find(key(1), {2, 4}));
  EXPECT_TRUE(same(*cache.find(key(0), {2, 4}), rows(2, 0)));
  EXPECT_TRUE(cache.find(key(3), {2, 4}));
  EXPECT_EQ(cache.n_bytes(), 96u);
  EXPECT_EQ(cache.n_hits(), 3);
  EXPECT_EQ(cache.n_misses(), 1);
  cache.add(key(9), rows(100, 0));  // larger than all room: not kept, and nothing goes for it
  EXPECT_FALSE(cache.find(key(9), {100, 4}));
  EXPECT_EQ(cache.n_bytes(), 96u);
}

TEST(PictureCache, AnotherShapeIsNothing) {
  PictureCache cache({});
  cache.add(key(1), rows(2, 0));
  EXPECT_FALSE(cache.find(key(1), {4, 2}));
}

TEST(PictureCache, AFolderOutlivesIt) {
  Folder folder;
  PictureCache({.folder = folder.path.string()}).add(key(7), rows(3, 5));
  PictureCache cache({.folder = folder.path.string()});
  auto found = cache.find(key(7), {3, 4});
  ASSERT_TRUE(found);
  EXPECT_TRUE(same(*found, rows(3, 5)));
  EXPECT_FALSE(cache.find(key(8), {3, 4}));
}

TEST(PictureCache, DamagedFilesAreNothing) {
  Folder folder;
  PictureCache({.folder = folder.path.string()}).add(key(7), rows(3, 5));
  const std::string file = fs::directory_iterator(folder.path)->path().string();
  const std::string good = read_file(file);
  EXPECT_EQ(good.size(), 56u + 48u);
  auto finds = [&](std::string_view bytes) {
    write_file(file, bytes);
    return PictureCache({.folder = folder.path.string()}).find(key(7), {3, 4}).has_value();
  };
  EXPECT_TRUE(finds(good));
  EXPECT_FALSE(finds(good + "x"));
  for (size_t length = 0; length < good.size(); ++length) EXPECT_FALSE(finds(std::string_view(good).substr(0, length)));
  for (size_t at = 0; at < 56; ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_FALSE(finds(bad)) << "byte " << at;
  }
}

TEST(PictureCache, EncodingIsSkippedForAPictureSeenBefore) {
  auto model = tiny_model("hf-nanovlm");
  auto executor = all_executors()[0].executor;
  auto cache = std::make_shared<PictureCache>(PictureCacheOptions{});
  PictureEncoder plain(model, executor), cached(model, executor, cache);
  Tensor expected = plain.encode(gradient(3)).rows;
  EXPECT_TRUE(same(cached.encode(gradient(3)).rows, expected));
  EXPECT_EQ(cache->n_hits(), 0);
  EncodedPicture again = cached.encode(gradient(3));
  EXPECT_EQ(cache->n_hits(), 1);
  EXPECT_EQ(again.encode_ms, 0);
  EXPECT_TRUE(same(again.rows, expected));
  EXPECT_EQ(again.plan, plain.encode(gradient(3)).plan);
  EXPECT_FALSE(same(cached.encode(gradient(4)).rows, expected));
  EXPECT_EQ(cache->n_hits(), 1);
}

TEST(PictureKey, EverythingThatMattersIsInIt) {
  auto model = tiny_model("hf-nanovlm");
  PictureSpec spec = model->model->pictures();
  const Digest network = model_digest(*model);
  const Image picture = gradient();
  const SlicePlan plan = find_slicing_policy(spec.policy).plan(picture.width, picture.height, spec.slice);
  std::set<Digest> keys{picture_key(network, picture, plan, spec)};
  EXPECT_TRUE(keys.contains(picture_key(network, gradient(), plan, spec)));

  Image pixel = picture;
  pixel.rgb.back() ^= 1;
  EXPECT_TRUE(keys.insert(picture_key(network, pixel, plan, spec)).second);
  Image turned = picture;
  std::swap(turned.width, turned.height);
  EXPECT_TRUE(keys.insert(picture_key(network, turned, plan, spec)).second);
  SlicePlan wider = plan;
  ++wider.views[0].width;
  EXPECT_TRUE(keys.insert(picture_key(network, picture, wider, spec)).second);
  spec.mean[0] += 0.5f;
  EXPECT_TRUE(keys.insert(picture_key(network, picture, plan, spec)).second);
  auto trained = tiny_model("hf-nanovlm");
  for (float& value : trained->weights.begin()->second->data.f32()) value *= 1.01f;
  EXPECT_NE(model_digest(*trained), network);
  EXPECT_EQ(model_digest(*tiny_model("hf-nanovlm")), network);
}

}  // namespace
}  // namespace galago::testing
