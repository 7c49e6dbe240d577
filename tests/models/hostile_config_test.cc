// Configs that would overflow sizes, list too many rows or break the reader are refused by name of what is wrong.
#include <gtest/gtest.h>

#include "base/error.h"
#include "models/model.h"

namespace galago::testing {
namespace {

struct Hostile {
  const char *family, *preset;
  Json change;  // merged into the preset
  const char* message;
  friend void PrintTo(const Hostile& h, std::ostream* os) { *os << h.family << " " << h.change.dump(); }
};

class HostileConfig : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileConfig, IsRefused) {
  Json config = find_family(GetParam().family)->preset(GetParam().preset);
  config.merge_patch(GetParam().change);
  try {
    make_model(config, "test");
    FAIL() << "accepted: " << config.dump();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(GetParam().message), std::string::npos) << e.what();
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, HostileConfig,
    ::testing::Values(
        Hostile{"language", "tiny", {{"model_type", 3}}, "none given"},
        Hostile{"language", "tiny", {{"num_attention_heads", 4096}, {"head_dim", 1 << 20}}, "channels in a block"},
        Hostile{"language", "tiny", {{"num_hidden_layers", 512}, {"head_dim", 1 << 17}}, "in all"},
        Hostile{"language", "tiny-llama", {{"rope_scaling", {{"type", 3}}}}, "expected a string"},
        Hostile{"minicpmv", "tiny", {{"version", Json::object({{"a", 1}})}}, "version"},
        Hostile{"minicpmv", "tiny", {{"vision_config", {{"image_size", 8}}}}, "at least one patch"},
        Hostile{
            "minicpmv", "tiny", {{"vision_config", {{"num_hidden_layers", 512}, {"hidden_size", 1 << 20}}}}, "in all"},
        Hostile{"internvl", "tiny", {{"vision_config", {{"hidden_size", 1 << 20}}}}, "joined; the limit"},
        Hostile{"hf-nanovlm", "tiny", {{"vit_hidden_dim", 1 << 20}}, "joined; the limit"}));

}  // namespace
}  // namespace galago::testing
