// Tiny random models whose texts depend on every token and pixel, for tests of sessions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "image/image.h"
#include "runtime/checkpoint.h"
#include "text/train_bpe.h"

namespace galago::testing {

inline std::shared_ptr<const Tokenizer> small_tokenizer() {
  std::vector<std::string> corpus(20, "a red apple and two dogs play in the green grass near the sea");
  return std::make_shared<Tokenizer>(train_bpe(corpus, {.vocab_size = 300}));
}

// prompt: of hf-nanovlm. "caption" is one turn, "question" takes any number of turns and pictures. `changes`: fields of
// the config that differ from the preset's.
inline std::shared_ptr<Checkpoint> tiny_model(const char* family, const char* prompt = "caption",
                                              const char* preset = "tiny", const Json& changes = Json::object()) {
  Json config = find_family(family)->preset(preset);
  config[std::string(family) == "nanovlms" ? "vocab_size" : "lm_vocab_size"] = 300;
  if (std::string(family) == "hf-nanovlm") config["prompt_format"] = prompt;
  config.update(changes);
  auto checkpoint = std::make_shared<Checkpoint>();
  checkpoint->path = family;
  checkpoint->model = make_model(config, family);
  checkpoint->weights = random_weights(*checkpoint->model, 3);
  // At N(0, 0.02) a tiny model says the same token for ever; larger weights make the texts depend on everything.
  for (auto& [name, weight] : checkpoint->weights)
    if (weight->data.shape().rank() > 1)
      for (float& value : weight->data.f32()) value *= 12;
  checkpoint->tokenizer = small_tokenizer();
  return checkpoint;
}

// step tells pictures apart.
inline Image gradient(int step = 6) {
  Image image = make_image(40, 30);
  for (int y = 0; y < 30; ++y)
    for (int x = 0; x < 40; ++x) *image.pixel(x, y) = static_cast<uint8_t>(step * x + y);
  return image;
}

}  // namespace galago::testing
