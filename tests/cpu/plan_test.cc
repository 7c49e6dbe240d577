// The memory plan: nothing alive together shares bytes, and what is dead is used again.
#include "cpu/plan.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "graph/builder.h"

namespace galago::cpu {
namespace {

void expect_disjoint(std::span<const Lifetime> lifetimes, const Placement& p) {
  for (size_t a = 0; a < lifetimes.size(); ++a) {
    EXPECT_EQ(p.offsets[a] % kAlignment, 0u);
    EXPECT_LE(p.offsets[a] + lifetimes[a].bytes, p.total);
    for (size_t b = 0; b < a; ++b) {
      bool together = lifetimes[a].first <= lifetimes[b].last && lifetimes[b].first <= lifetimes[a].last;
      bool apart =
          p.offsets[a] + lifetimes[a].bytes <= p.offsets[b] || p.offsets[b] + lifetimes[b].bytes <= p.offsets[a];
      EXPECT_TRUE(!together || apart) << a << " and " << b;
    }
  }
}

TEST(Place, NothingAliveTogetherOverlaps) {
  Rng rng(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Lifetime> lifetimes;
    for (int i = 0; i < 60; ++i) {
      int first = static_cast<int>(rng.below(100));
      lifetimes.push_back({first, first + static_cast<int>(rng.below(12)), static_cast<size_t>(rng.below(3000))});
    }
    expect_disjoint(lifetimes, place(lifetimes));
  }
}

TEST(Place, ReusesWhatIsDead) {
  // A chain: each step needs its input and its output, so two places of 1024 bytes are enough for any length.
  std::vector<Lifetime> chain;
  for (int i = 0; i < 100; ++i) chain.push_back({i, i + 1, 1000});
  EXPECT_EQ(place(chain).total, 2048u);
}

TEST(Place, TakesTheSmallestGapThatFits) {
  // Two gaps open at step 1: 256 bytes at 0 and 128 bytes at 512.
  std::vector<Lifetime> l = {{0, 0, 256}, {0, 1, 256}, {0, 0, 128}, {0, 1, 128}, {1, 1, 128}};
  EXPECT_EQ(place(l).offsets[4], 512u);
  expect_disjoint(l, place(l));
}

TEST(PlanMemory, ViewsAndInPlaceOpsShareTheirInput) {
  Graph g;
  Value x = g.input("x", DType::F32, {8, 8});
  Value a = permute(g, x, {1, 0});
  Value b = reshape(g, a, {64});
  Value c = unary(g, b, UnaryKind::Exp);  // the last reader of b
  g.output(c, "c");
  MemoryPlan plan = plan_memory(g, {});
  EXPECT_EQ(plan.slots[b.id].home, a.id);
  EXPECT_EQ(plan.slots[c.id].home, a.id);
  EXPECT_EQ(plan.arena_bytes, 512u);
}

TEST(PlanMemory, InputsOutputsAndValuesStillReadAreNotOverwritten) {
  Graph g;
  Value x = g.input("x", DType::F32, {64});
  Value a = unary(g, x, UnaryKind::Exp);     // x is an input: not in place
  Value b = unary(g, a, UnaryKind::Square);  // a is read again below
  Value c = add(g, b, a);                    // in place of b
  Value d = unary(g, c, UnaryKind::Neg);     // c is an output
  g.output(c, "c");
  g.output(d, "d");
  MemoryPlan plan = plan_memory(g, {});
  EXPECT_EQ(plan.slots[a.id].home, a.id);
  EXPECT_EQ(plan.slots[b.id].home, b.id);
  EXPECT_EQ(plan.slots[c.id].home, b.id);
  EXPECT_EQ(plan.slots[d.id].home, d.id);
}

TEST(PlanMemory, KeepsNamedValuesOnRequest) {
  Graph g;
  Value x = g.input("x", DType::F32, {64});
  Value a = g.name(affine(g, x, 2), "a");
  Value b = affine(g, a, 3);
  g.output(b, "b");
  EXPECT_EQ(plan_memory(g, {}).slots[b.id].home, a.id);
  EXPECT_EQ(plan_memory(g, {.keep_named = true}).slots[b.id].home, b.id);
}

TEST(PlanMemory, SkipsWhatNobodyReads) {
  Graph g;
  Value x = g.input("x", DType::F32, {64});
  Value unused = affine(g, x, 2);
  g.output(affine(g, x, 3), "y");
  EXPECT_FALSE(plan_memory(g, {}).slots[unused.id].needed);
}

}  // namespace
}  // namespace galago::cpu
