// A tiny captioning model with random weights and a tokenizer trained on a few captions: enough to run every step.
#pragma once

#include <memory>

#include "base/thread_pool.h"
#include "cpu/executor.h"
#include "runtime/checkpoint.h"
#include "text/train_bpe.h"

namespace galago::testing {

inline std::shared_ptr<const Checkpoint> tiny_checkpoint() {
  constexpr int kVocab = 320;
  Json config = find_family("nanovlms")->preset("tiny");
  config["vocab_size"] = kVocab;
  auto checkpoint = std::make_shared<Checkpoint>();
  checkpoint->path = "tiny";
  checkpoint->model = make_model(config, "tiny");
  checkpoint->weights = random_weights(*checkpoint->model, 7);
  const std::vector<std::string> corpus = {"two red apples, a dog, on the grass.", "a big dog and two little cats.",
                                           "three red cars, a cat, on the road.", "a red apple and a dog on the road."};
  checkpoint->tokenizer = std::make_shared<Tokenizer>(train_bpe(corpus, {.vocab_size = kVocab}));
  return checkpoint;
}

inline std::shared_ptr<Executor> tiny_executor() { return cpu::make_executor(std::make_shared<ThreadPool>(1)); }

inline Image plain_picture(Color color) { return make_image(32, 32, color); }

}  // namespace galago::testing
