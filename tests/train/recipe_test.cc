// Recipes: what is read, what --set changes, and the sentences for what is wrong. Every recipe of the project is read.
#include "train/recipe.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "models/model.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecipe = R"(
name: small
model: {family: nanovlms, preset: tiny, vocab_size: 600}
stages:
  - {steps: 30, style: list}
  - {steps: 70, style: short}
batch: 8
schedule: {kind: wsd, warmup: 5, floor: 0.05, decay_share: 0.2}
data: {seed: 7, train_size: 100, validation_size: 16}
)";

class RecipeFile : public testing::Test {
 protected:
  Recipe read(const std::string& text, const std::vector<std::string>& changes = {}) {
    write_file(path_, text);
    return read_recipe(path_, changes);
  }
  // The message of the error that reading throws.
  std::string complaint(const std::string& text, const std::vector<std::string>& changes = {}) {
    try {
      read(text, changes);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
  void TearDown() override { fs::remove(path_); }
  std::string path_ =
      testing::TempDir() + "/recipe-" + testing::UnitTest::GetInstance()->current_test_info()->name() + ".yaml";
};

TEST_F(RecipeFile, FieldsAndDefaults) {
  Recipe r = read(kRecipe);
  EXPECT_EQ(r.name, "small");
  EXPECT_EQ(r.total_steps(), 100);
  EXPECT_EQ(r.schedule.steps, 100);
  EXPECT_EQ(r.stages[1].style, "short");
  EXPECT_EQ(r.batch, 8);
  EXPECT_EQ(r.data.seed, 7u);
  EXPECT_EQ(r.model["vocab_size"], 600);
  EXPECT_EQ(r.model["n_embd"], 24);  // of the preset
  EXPECT_FALSE(r.model.contains("preset"));
  EXPECT_DOUBLE_EQ(r.learning_rate, 1e-3);
  EXPECT_DOUBLE_EQ(r.beta2, 0.95);
  EXPECT_EQ(r.bf16, multiplies_bf16("cpu"));
  EXPECT_TRUE(multiplies_bf16("cuda"));
}

TEST_F(RecipeFile, SetChangesFieldsMapsAndListItems) {
  Recipe r = read(kRecipe, {"batch=32", "data.seed=9", "stages.0.steps=3", "stages.1={steps: 4, style: long}",
                            "bf16=false", "schedule.kind=constant", "model.n_embd=48", "learning_rate=3e-4"});
  EXPECT_EQ(r.batch, 32);
  EXPECT_EQ(r.data.seed, 9u);
  EXPECT_EQ(r.stages[0].steps, 3);
  EXPECT_EQ(r.stages[1].style, "long");
  EXPECT_EQ(r.total_steps(), 7);
  EXPECT_EQ(r.schedule.steps, 7);
  EXPECT_FALSE(r.bf16);
  EXPECT_EQ(r.schedule.kind, "constant");
  EXPECT_EQ(r.model["n_embd"], 48);
  EXPECT_DOUBLE_EQ(r.learning_rate, 3e-4);
}

TEST_F(RecipeFile, WrongChangesAreUsageErrors) {
  EXPECT_NE(complaint(kRecipe, {"batch"}).find("--set batch: expected a.b=value"), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"stages.2.steps=1"}).find("\"2\" is no item of a list of 2"), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"stages.first.steps=1"}).find("no item of a list"), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"stages.99999999999999999999.steps=1"}).find("no item"), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"name.x=1"}).find("has no fields"), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"batch=[1"}).find("not valid YAML"), std::string::npos);
}

TEST_F(RecipeFile, UnknownFieldsAreNamed) {
  EXPECT_NE(complaint(std::string(kRecipe) + "learning_rat: 1\n").find("unknown field \"learning_rat\""),
            std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"data.sed=1"}).find("data: unknown field \"sed\""), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"stages.0.step=1"}).find("stages: unknown field \"step\""), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"schedule.warm=1"}).find("unknown field \"warm\""), std::string::npos);
}

TEST_F(RecipeFile, WrongValuesAreNamed) {
  EXPECT_NE(complaint(kRecipe, {"batch=many"}).find("\"batch\" is \"many\""), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"batch=0"}).find("batch and accumulate must be positive"), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"stages=[]"}).find("\"stages\" is empty"), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"stages=3"}).find("expected a list"), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"schedule.kind=linear"}).find("cosine, wsd or constant"), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"model.preset=enormous"}).find("no preset \"enormous\""), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"model.preset=3"}).find("no word for \"preset\""), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"model.family=x"}).find("no model family \"x\""), std::string::npos);
  EXPECT_NE(complaint(kRecipe, {"model=3"}).find("expected a map"), std::string::npos);
  EXPECT_NE(complaint("name: [").find("not valid YAML"), std::string::npos);
  EXPECT_NE(complaint("name: x").find("\"model\" is missing"), std::string::npos);
}

TEST_F(RecipeFile, WhatTheRunFolderKeepsIsTheWholeRecipe) {
  Recipe r = read(kRecipe, {"eval_every=7", "patience=3", "out=runs/x", "threads=2", "tokenizer_texts=99"});
  std::string stored = recipe_to_json(r).dump();  // JSON is YAML
  EXPECT_EQ(recipe_to_json(read(stored)), recipe_to_json(r));
}

TEST(Recipes, AllOfTheProjectAreGood) {
  int n = 0;
  for (const auto& file : fs::recursive_directory_iterator(GALAGO_SOURCE_DIR "/recipes")) {
    if (file.path().extension() != ".yaml") continue;
    Recipe r = read_recipe(file.path().string(), {});
    EXPECT_EQ(r.name, file.path().stem().string());
    EXPECT_EQ(r.out, "runs/" + r.name);
    auto model = make_model(r.model, r.name);
    EXPECT_LE(r.vocab_size, model->n_vocab()) << r.name;
    ++n;
  }
  EXPECT_GE(n, 8);
}

}  // namespace
}  // namespace galago
