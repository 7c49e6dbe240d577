// One conversation with one model: pictures and text in, text out. Encodes pictures when they are attached, fills the
// key/value cache in chunks, and decodes token by token through one prepared program.
//
// Owned and used by one thread. Checkpoint and executor are shared by any number of sessions.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "graph/executor.h"
#include "runtime/checkpoint.h"
#include "runtime/picture_encoder.h"
#include "runtime/sampler.h"

namespace galago {

struct SessionOptions {
  int n_context = 0;  // places in the cache; 0 = what the model allows, at most 4096
  int chunk = 512;    // longest piece of prompt run at once
  DType cache_type = DType::F32;
};

struct GenerateOptions {
  int max_new_tokens = 128;
  SamplingOptions sampling;
  bool ignore_end = false;  // go on after an end token, to measure speed
};

struct Timings {  // milliseconds
  double prepare = 0, encode = 0, prefill = 0, generate = 0;
  int n_prompt = 0, n_generated = 0, n_picture_tokens = 0;
};

class Session {
 public:
  Session(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor,
          const SessionOptions& options = {});
  ~Session();

  void set_system(std::string text) { system_ = std::move(text); }  // instead of the family's own system text
  void attach_image(const Image& image);  // prepared and encoded now; comes next in the turn of the user
  void add_text(std::string_view text);   // comes next in the turn of the user
  // Runs the turn: pictures and texts as they were added, then this text. Throws InvalidInput if the prompt does not
  // fit the cache.
  void append(std::string_view text);
  void append_ids(std::span<const int32_t> ids);  // tokens as they are, without pictures and prompt format
  // Continues until an end token, max_new_tokens or a full cache; on_text gets whole characters and may return false to
  // stop.
  std::string generate(const GenerateOptions& options, const std::function<bool(std::string_view)>& on_text = {});
  void reset();  // forgets the conversation, keeps programs and memory

  std::span<const int32_t> generated_ids() const { return generated_; }
  const Timings& timings() const { return timings_; }
  int n_past() const { return n_past_; }
  int n_context() const { return options_.n_context; }
  size_t cache_bytes() const;

 private:
  struct PrefillProgram;
  std::vector<PromptPiece> prompt_pieces();
  void prefill(const std::vector<int32_t>& ids, const std::vector<const float*>& rows);
  void run_chunk(std::span<const int32_t> ids, std::span<const float* const> rows, bool last);
  Program& program(int n_tokens, int n_rows, bool with_logits);

  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<Executor> executor_;
  SessionOptions options_;
  std::vector<LayerCache> caches_;
  PictureEncoder encoder_;
  std::string system_;
  std::vector<EncodedPicture> pictures_;  // of the turn that is being put together
  std::vector<TurnPart> parts_;           // an empty text stands for the next of pictures_
  int n_turns_ = 0, n_pictures_ = 0;      // before this turn
  std::vector<std::unique_ptr<PrefillProgram>> programs_;
  std::vector<float> logits_;
  std::vector<int32_t> generated_;
  int n_past_ = 0;
  Timings timings_;
};

}  // namespace galago
