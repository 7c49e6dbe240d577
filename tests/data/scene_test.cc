// The scene graphs: splits by combination, clear places, visible things, JSON there and back.
#include "data/scene.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"

namespace galago {
namespace {

constexpr int64_t kScenes = 20000;

using Pair = std::pair<int, int>;

std::set<Pair> pairs_of(Split split, int64_t n) {
  std::set<Pair> pairs;
  for (int64_t i = 0; i < n; ++i) {
    Scene scene = make_scene(7, split, i);
    for (const SceneObject& a : scene.objects) {
      for (const SceneObject& b : scene.objects) {
        if (a.kind < b.kind) pairs.emplace(a.kind, b.kind);
      }
    }
  }
  return pairs;
}

TEST(MakeScene, NoTrainingSceneShowsAPairThatAHeldOutSceneShows) {
  auto train = pairs_of(Split::Train, kScenes);
  auto validation = pairs_of(Split::Validation, 3000), test = pairs_of(Split::Test, 3000);
  EXPECT_GT(train.size(), 8000u);
  EXPECT_GT(test.size(), 800u);
  for (const Pair& pair : train) {
    EXPECT_FALSE(test.contains(pair));
    EXPECT_FALSE(validation.contains(pair));
  }
  for (const Pair& pair : validation) EXPECT_FALSE(test.contains(pair));
}

TEST(MakeScene, HeldOutScenesHaveACombinationAndUnseenOnesAnUnseenKind) {
  for (int64_t i = 0; i < 2000; ++i) {
    EXPECT_GE(make_scene(1, Split::Test, i).objects.size(), 2u);
    auto has_unseen = [](const Scene& s) {
      return std::any_of(s.objects.begin(), s.objects.end(),
                         [](const SceneObject& o) { return scene_kinds()[static_cast<size_t>(o.kind)].unseen; });
    };
    EXPECT_TRUE(has_unseen(make_scene(1, Split::TestUnseen, i)));
    EXPECT_FALSE(has_unseen(make_scene(1, Split::Train, i)));
    EXPECT_FALSE(has_unseen(make_scene(1, Split::Test, i)));
  }
}

TEST(MakeScene, EveryKindAndGroundAppears) {
  std::map<int, int> kinds, grounds;
  for (int64_t i = 0; i < kScenes; ++i) {
    Scene scene = make_scene(3, Split::Train, i);
    ++grounds[scene.background];
    for (const SceneObject& o : scene.objects) ++kinds[o.kind];
  }
  for (size_t k = 0; k < scene_kinds().size(); ++k) {
    if (!scene_kinds()[k].unseen) {
      EXPECT_GE(kinds[static_cast<int>(k)], 40) << scene_kinds()[k].singular;
    }
  }
  EXPECT_EQ(grounds.size(), scene_backgrounds().size());
}

TEST(MakeScene, CopiesAreVisibleInsideAndWhereTheGraphSays) {
  for (int64_t i = 0; i < kScenes; ++i) {
    Scene scene = make_scene(5, Split::Train, i);
    ASSERT_GE(scene.objects.size(), 1u);
    ASSERT_LE(scene.objects.size(), 3u);
    for (const SceneObject& o : scene.objects) {
      ASSERT_GE(o.count(), 1);
      ASSERT_LE(o.count(), 4);
      const Background& ground = scene_backgrounds()[static_cast<size_t>(scene.background)];
      const Kind& kind = scene_kinds()[static_cast<size_t>(o.kind)];
      EXPECT_TRUE(fits(kind.home, ground)) << kind.singular << " on " << ground.id;
      if (kind.colour != Colour::None) {
        EXPECT_NE(kind.colour, ground.colour) << kind.singular;
      }
      float x0 = 1, x1 = 0;
      for (const Copy& c : o.copies) {
        EXPECT_GE(c.side * 128, 28.0f);
        EXPECT_GE(std::min(c.x, c.y), 0.0f);
        EXPECT_LE(std::max(c.x, c.y) + c.side, 1.0f);
        x0 = std::min(x0, c.x), x1 = std::max(x1, c.x + c.side);
        float covered = 0;
        for (const SceneObject& other : scene.objects) {
          if (other.kind == o.kind) continue;
          for (const Copy& d : other.copies) {
            float w = std::min(c.x + c.side, d.x + d.side) - std::max(c.x, d.x);
            float h = std::min(c.foot(), d.foot()) - std::max(c.y, d.y);
            if (w > 0 && h > 0 && d.foot() >= c.foot()) covered += w * h / (c.side * c.side);
          }
        }
        EXPECT_LE(covered, 0.3f) << kind.singular << " in scene " << i;  // squares; the glyphs in them are smaller
      }
      float centre = (x0 + x1) / 2;
      if (o.across == Across::Left) {
        EXPECT_LT(centre, 0.39f);
      }
      if (o.across == Across::Right) {
        EXPECT_GT(centre, 0.61f);
      }
      if (o.across == Across::Middle) {
        EXPECT_NEAR(centre, 0.5f, 0.065f);
      }
    }
  }
}

TEST(MakeScene, IsTheSameForTheSameSeedAndOtherwiseNot) {
  for (int64_t i = 0; i < 50; ++i) {
    EXPECT_EQ(scene_to_json(make_scene(9, Split::Train, i)), scene_to_json(make_scene(9, Split::Train, i)));
    EXPECT_NE(scene_to_json(make_scene(9, Split::Train, i)), scene_to_json(make_scene(10, Split::Train, i)));
  }
}

TEST(MakeScene, SplitOfAPairIsSymmetricAndNearItsShare) {
  auto kinds = scene_kinds();
  int test = 0, all = 0;
  for (size_t a = 0; a < kinds.size(); ++a) {
    for (size_t b = a + 1; b < kinds.size(); ++b) {
      EXPECT_EQ(split_of_pair(kinds[a], kinds[b]), split_of_pair(kinds[b], kinds[a]));
      test += split_of_pair(kinds[a], kinds[b]) == Split::Test;
      ++all;
    }
  }
  EXPECT_NEAR(static_cast<double>(test) / all, 0.12, 0.01);  // 25,000 pairs: one standard deviation is 0.002
}

TEST(Relation, NamesSidesOnlyWithAClearMargin) {
  SceneObject a, b;
  a.copies = {{0.1f, 0.5f, 0.2f, false}};
  b.copies = {{0.35f, 0.5f, 0.2f, false}};
  Relation r = relation(a, b);
  EXPECT_TRUE(r.left_of && r.next_to && !r.right_of && !r.above && !r.below);
  EXPECT_TRUE(relation(b, a).right_of);
  b.copies = {{0.12f, 0.75f, 0.2f, false}};
  EXPECT_TRUE(relation(a, b).above && relation(b, a).below && !relation(a, b).next_to && !relation(a, b).left_of);
  b.copies = {{0.18f, 0.55f, 0.2f, false}};
  r = relation(a, b);
  EXPECT_FALSE(r.left_of || r.right_of || r.above || r.below || r.next_to);
}

TEST(SceneJson, ComesBackEqual) {
  for (int64_t i = 0; i < 200; ++i) {
    Json j = scene_to_json(make_scene(2, Split::TestUnseen, i));
    EXPECT_EQ(scene_to_json(scene_from_json(Json::parse(j.dump()))), j);
  }
}

TEST(SceneJson, RefusesBrokenGraphsWithASentence) {
  Json good = scene_to_json(make_scene(2, Split::Train, 1));
  auto broken = [&](const char* pointer, Json value) {
    Json j = good;
    j[Json::json_pointer(pointer)] = std::move(value);
    return j;
  };
  EXPECT_THROW(scene_from_json(Json::array()), Error);
  EXPECT_THROW(scene_from_json(broken("/objects/0/kind", "grue")), Error);
  EXPECT_THROW(scene_from_json(broken("/objects/0/kind", 7)), Error);
  EXPECT_THROW(scene_from_json(broken("/objects/0/size", "vast")), Error);
  EXPECT_THROW(scene_from_json(broken("/objects/0/copies", Json::array())), Error);
  EXPECT_THROW(scene_from_json(broken("/objects/0/copies/0/2", 1e9)), Error);
  EXPECT_THROW(scene_from_json(broken("/background", "Moonbase")), Error);
  EXPECT_THROW(scene_from_json(broken("/split", "dev")), Error);
}

}  // namespace
}  // namespace galago
