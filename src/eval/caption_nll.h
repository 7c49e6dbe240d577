// Does a caption model look at its picture? Negative log likelihood of a reference text with the right picture, with
// another item's picture and with a blank one (the picture's embeddings zeroed). Right below shuffled proves that the
// picture is used; the difference is what it tells, in nats a token.
//
// Scored are the tokens of the text and the end token behind it, as in training. Texts run whole, three pictures in one
// batch, without a cache; programs are kept for each pair of lengths. One thread.
#pragma once

#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "graph/executor.h"
#include "runtime/checkpoint.h"
#include "runtime/picture_encoder.h"

namespace galago {

struct NllSums {
  double right = 0, shuffled = 0, blank = 0;  // sums of -ln p, nats
  int64_t tokens = 0;
  void add(const NllSums& other);
  // Per token; 0 without tokens.
  double right_per_token() const { return per_token(right); }
  double shuffled_per_token() const { return per_token(shuffled); }
  double blank_per_token() const { return per_token(blank); }

 private:
  double per_token(double sum) const { return tokens == 0 ? 0 : sum / static_cast<double>(tokens); }
};

// A permutation without fixed points (one cycle: Sattolo 1986); the same for the same seed. CHECK: n >= 2.
std::vector<int64_t> derangement(int64_t n, uint64_t seed);

// -ln softmax(logits)[target], in double.
double token_nll(std::span<const float> logits, int32_t target);

class CaptionNll {
 public:
  // Throws InvalidInput if the checkpoint has no tokenizer or no end token.
  CaptionNll(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor);

  EncodedPicture encode(const Image& image) { return encoder_.encode(image); }
  // The text that follows `beginning` (may be empty). Throws InvalidInput if both pictures are not cut into the same
  // tiles, or if the text does not fit the model's context.
  NllSums score(const EncodedPicture& right, const EncodedPicture& other, std::string_view beginning,
                std::string_view text);

 private:
  struct Layout {
    std::vector<int32_t> ids;      // 0 where a picture row goes
    std::vector<int32_t> rows_at;  // places of the picture rows
  };
  Layout layout(const SlicePlan& plan, std::string_view beginning) const;
  Program& program(int64_t n_prompt, int64_t n_text, int64_t n_rows);

  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<Executor> executor_;
  int32_t end_ = 0;
  PictureEncoder encoder_;
  std::map<std::pair<int64_t, int64_t>, std::unique_ptr<Program>> programs_;
};

}  // namespace galago
