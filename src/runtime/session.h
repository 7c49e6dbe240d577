// One conversation with one model: pictures and text in, text out. Encodes pictures when they are attached, fills the
// key/value cache in chunks, and decodes token by token through one prepared program.
//
// Owned and used by one thread. Checkpoint, executor and picture cache are shared by any number of sessions. With
// SessionOptions::background the session owns a thread that encodes pictures (and one that prepares them); it shares
// the executor with the caller's thread by turns.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "graph/executor.h"
#include "runtime/answer_text.h"
#include "runtime/beam_search.h"
#include "runtime/checkpoint.h"
#include "runtime/drafter.h"
#include "runtime/kv_cache.h"
#include "runtime/picture_encoder.h"
#include "runtime/prefix_cache.h"
#include "runtime/sampler.h"
#include "runtime/step_runner.h"
#include "runtime/token_pruning.h"
#include "runtime/worker.h"

namespace galago {

struct SessionOptions {
  int n_context = 0;                                 // places in the cache; 0 = what the model allows, at most 4096
  int chunk = 512;                                   // longest piece of prompt run at once
  DType cache_type = DType::F16;                     // f32, f16 or q8_0
  DType value_type = cache_type;                     // where values shall have another type than keys
  std::shared_ptr<PictureCache> pictures = nullptr;  // null: every picture is encoded
  std::shared_ptr<PrefixCache> prefixes = nullptr;   // null: every conversation is run from its beginning
  int tile_batch = 0;                                // EncoderOptions::tile_batch
  // Pictures are encoded while the caller goes on. The executor must then be nobody else's, or one that takes turns
  // (turn_executor.h) for everybody.
  bool background = false;
};

struct GenerateOptions {
  int max_new_tokens = 128;
  SamplingOptions sampling;
  bool ignore_end = false;             // go on after an end token, to measure speed
  std::vector<std::string> stop = {};  // these end the answer and are not part of it ...
  bool model_stops = true;             // ... and so do Model::stop_strings()
  int n_logprobs = -1;                 // 0 or more: log-probabilities of each token and of this many best ones
  BeamOptions beams = {};              // n > 1: beam search instead of sampling; the text comes in one piece
  // Null: token by token. Otherwise up to `max_draft` tokens are guessed at a time; the answer is as without (not in
  // beam search).
  std::shared_ptr<Drafter> drafter = nullptr;
  int max_draft = 8;
};

// Of one generated token, as the model gave them: before biases, penalties and temperature.
struct TokenLogprobs {
  TokenScore chosen;
  std::vector<TokenScore> best;  // best first
};

enum class FinishReason { Length, EndToken, StopString, ContextFull, Declined };

// Milliseconds. A picture that is encoded in the background is counted when its turn is run; what prefill_pictures()
// does there is not.
struct Timings {
  double prepare = 0, encode = 0, prefill = 0, generate = 0;
  double wait = 0;  // of append() for pictures that were not there yet
  int n_prompt = 0, n_generated = 0, n_picture_tokens = 0;
  int n_reused = 0;                   // of n_prompt: places that came from a PrefixCache
  int n_drafted = 0, n_accepted = 0;  // tokens that a drafter guessed, and those of them that the model said
};

// Places of a session's cache: `wanted`, or by default what the model allows, at most 4096. Throws InvalidInput if the
// model has fewer.
int context_length(const Checkpoint& checkpoint, int wanted);

// Defaults of the model's reference as options: penalties over the whole answer.
SamplingOptions sampling_options(const SamplingDefaults& defaults);

class Session {
 public:
  Session(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor,
          const SessionOptions& options = {});
  ~Session();

  void set_system(std::string text) { system_ = std::move(text); }  // instead of the family's own system text
  // Comes next in the turn of the user. max_tiles > 0: cut into no more tiles than this. Encoded now; in the background
  // this returns at once, append() waits for what it needs, and throws what went wrong.
  void attach_image(Image image, int max_tiles = 0);
  void attach_image(PictureSource source, int max_tiles = 0);  // decodes the file too
  void attach_frame(Image image, int max_tiles = 0);           // the same, of a video
  void add_text(std::string_view text);                        // comes next in the turn of the user
  // Runs what the turn is sure to begin with: everything up to the last picture so far; in the background while the
  // user still types. append() goes on behind it, with the same result. Models that leave rows out of a prompt wait for
  // it.
  void prefill_pictures();
  // Runs the turn: pictures and texts as they were added, then this text. Throws InvalidInput if the prompt does not
  // fit the cache; the conversation is then as before the turn.
  void append(std::string_view text);
  void append_ids(std::span<const int32_t> ids);  // tokens as they are, without pictures and prompt format
  // Continues until an end token, a stop string, max_new_tokens or a full cache; on_text gets whole characters and may
  // return false to stop. A stop string leaves neither in the text nor in the cache what begins with it.
  std::string generate(const GenerateOptions& options, const OnText& on_text = {});

  void reset();                  // forgets the conversation, keeps programs and memory
  void rewind(int n_past);       // back to this many places
  void rewind_turns(int n = 1);  // takes the last turns back, with their answers; all if there are fewer
  // The conversation so far, without the turn that is being put together (docs/formats.md). load() throws InvalidInput
  // for a file of another model, cache type or version, for one that needs a longer context, and for a damaged one.
  void save(const std::string& path);
  void load(const std::string& path);
  void release_vision();  // frees what encoding pictures needs; the next picture brings it back
  // Until nothing goes on in the background. All of the members above but the attaching ones and append() do this first
  // (and forget prefill_pictures()); those below tell nothing true before it.
  void wait();

  std::span<const int32_t> generated_ids() const { return generated_; }
  std::span<const TokenLogprobs> logprobs() const { return logprobs_; }  // of generated_ids(), if asked for
  FinishReason finish_reason() const { return finish_; }
  double beam_score() const { return beam_score_; }  // of the last answer of a beam search
  const Timings& timings() const { return timings_; }
  int n_past() const { return static_cast<int>(history_.size()); }
  int n_context() const { return options_.n_context; }
  int n_turns() const { return static_cast<int>(turns_.size()); }
  std::span<const int32_t> history() const { return history_; }  // ids in the cache; -1 for a row of a picture
  const KvCache& cache() const { return *cache_; }
  size_t cache_bytes() const { return cache_->n_bytes(); }
  size_t activation_bytes() const { return encoder_.activation_bytes() + steps_->activation_bytes(); }
  int n_compiled() const { return steps_->n_compiled(); }  // programs made for prompts and tokens so far

 private:
  struct Turn {
    int32_t begin, n_pictures;  // n_past and pictures before it
  };
  struct Beams;
  struct Guesses;
  struct Unfinished;
  friend struct SessionFile;
  using Pictures = std::vector<std::shared_ptr<PendingPicture>>;

  void attach(PictureSource source, int max_tiles, bool is_frame);
  std::vector<PromptPiece> prompt_pieces(std::vector<TurnPart>& parts, const Pictures& pictures) const;
  PromptRows lay_out(std::vector<TurnPart> parts, const Pictures& pictures) const;
  bool prunes(const Pictures& pictures) const;
  void count(const PendingPicture& picture);
  int turn_begin() const { return begun_.at >= 0 ? begun_.at : n_past(); }
  void begin_turn(std::vector<TurnPart> parts, const Pictures& pictures);
  void advance(const PromptRows& prompt, size_t n_places, const Pictures& pictures);
  void forget_begun_turn();
  void settle();  // wait() and forget_begun_turn()
  bool fits(int n_before, size_t n_tokens) const;
  void require_room(int n_before, size_t n_tokens) const;
  void prefill(std::span<const int32_t> ids, std::span<const float* const> rows, const Pictures& pictures = {},
               bool with_logits = true);
  std::vector<PlaceKey> place_keys(const PromptRows& prompt, const Pictures& pictures) const;
  size_t restore_prefix(const PromptRows& prompt, size_t n_places, const Pictures& pictures);
  void wait_for(std::span<const float* const> rows, const Pictures& pictures);
  void run_piece(std::span<const int32_t> ids, std::span<const float* const> rows, bool with_logits);
  void ensure_logits();  // runs the last token again if they are not there
  std::vector<std::string> stop_strings(const GenerateOptions& options) const;
  void sample_answer(const GenerateOptions& options, AnswerText& answer);
  int n_usable() const;  // tokens that may be chosen
  int32_t choose(Sampler& sampler, const GenerateOptions& options, const DraftedToken* guess);
  void accept(Guesses& guesses);
  void take_logits(size_t row);
  std::vector<DraftedToken> draft_behind(int32_t id, const GenerateOptions& options);
  void run_token(int32_t id, const GenerateOptions& options, Guesses& guesses);
  void search_answer(const GenerateOptions& options, AnswerText& answer);
  void follow_beams(BeamSearch& search, int n);
  void forget_after_stop(int n_before, const AnswerText& answer);

  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<Executor> executor_;
  SessionOptions options_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<StepRunner> steps_;
  PictureEncoder encoder_;
  Digest prefix_kind_{};  // only with SessionOptions::prefixes
  std::string system_;
  Pictures pictures_;            // of the turn that is being put together
  std::vector<TurnPart> parts_;  // an empty text stands for the next of pictures_
  struct Begun {
    int at = -1;                  // n_past before it; -1: nothing is begun
    PromptRows places;            // that were run
  } begun_;                       // of that turn
  bool begins_turn_ = false;      // ... in the background
  std::vector<int32_t> history_;  // what is in the cache
  std::vector<Turn> turns_;
  int n_pictures_ = 0;                 // in the cache
  std::vector<float> logits_;          // behind the last place; empty: to be computed again
  std::vector<float> raw_;             // a copy before the sampler changes them
  std::vector<int32_t> piece_;         // a token and those drafted behind it
  std::vector<const float*> no_rows_;  // as many nulls
  std::vector<int32_t> generated_;
  std::vector<TokenLogprobs> logprobs_;
  FinishReason finish_ = FinishReason::Length;
  double beam_score_ = 0;
  Timings timings_;
  std::unique_ptr<Worker> worker_;  // the last member: its job uses the others. Null: nothing in the background
};

}  // namespace galago
