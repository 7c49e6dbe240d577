// galago run MODEL: answers once and streams to stdout; without -p and a picture, and on a terminal, a chat.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "cli/run_options.h"
#include "cli/tuned.h"
#include "cpu/executor.h"
#include "image/video.h"
#include "runtime/estimate.h"
#include "runtime/picture.h"
#include "runtime/turn_executor.h"

namespace galago::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kFrameTiles = 2;  // MiniCPM-V's published code cuts frames of a video into at most two

bool print_piece(std::string_view piece) {
  std::fwrite(piece.data(), 1, piece.size(), stdout);
  std::fflush(stdout);
  return !interrupted();
}

void print_times(const Timings& t, double load_ms, double first_token_ms) {
  note(
      fmt::format("load {:.0f} ms, picture {:.0f} + {:.0f} ms ({} tokens), prompt {:.0f} ms ({} tokens), "
                  "answer {:.0f} ms ({} tokens, {:.0f} tok/s); first token after {:.0f} ms, peak memory {:.0f} MB",
                  load_ms, t.prepare, t.encode, t.n_picture_tokens, t.prefill, t.n_prompt, t.generate, t.n_generated,
                  t.generate > 0 ? t.n_generated * 1000.0 / t.generate : 0.0, first_token_ms, peak_memory_mb()));
  if (t.n_drafted > 0)
    note(fmt::format("drafted {} tokens, {} accepted ({:.0f} %)", t.n_drafted, t.n_accepted,
                     100.0 * t.n_accepted / t.n_drafted));
}

Json score_json(const Tokenizer& tokenizer, const TokenScore& score) {
  std::string text = replace_invalid_utf8(tokenizer.piece(score.id));
  return {{"id", score.id}, {"token", text}, {"logprob", score.logprob}};
}

Json logprobs_json(const Tokenizer& tokenizer, std::span<const TokenLogprobs> tokens) {
  Json list = Json::array();
  for (const TokenLogprobs& token : tokens) {
    Json item = score_json(tokenizer, token.chosen);
    item["top"] = Json::array();
    for (const TokenScore& score : token.best) item["top"].push_back(score_json(tokenizer, score));
    list.push_back(std::move(item));
  }
  return list;
}

std::string_view reason_text(FinishReason reason) {
  switch (reason) {
    case FinishReason::Length:
      return "length";
    case FinishReason::EndToken:
      return "end";
    case FinishReason::StopString:
      return "stop";
    case FinishReason::ContextFull:
      return "context";
    case FinishReason::Declined:
      return "interrupted";
  }
  return "";
}

Json times_json(const Timings& t, double load_ms, double first_token_ms) {
  return {{"load", load_ms},      {"prepare", t.prepare},   {"encode", t.encode},           {"wait", t.wait},
          {"prefill", t.prefill}, {"generate", t.generate}, {"first_token", first_token_ms}};
}

// A picture, or a frame of a video, that comes before the prompt.
struct Attachment {
  Image image;
  int max_tiles = 0;
  bool is_frame = false;
};

void add_picture(std::vector<Attachment>& to, const std::string& path, const RunOptions& o) {
  Image image = load_image(path);
  to.push_back({o.stored ? std::move(image) : upright(std::move(image)), o.max_tiles});
}

void add_video(std::vector<Attachment>& to, const std::string& path, const RunOptions& o) {
  const int tiles = o.max_tiles > 0 ? o.max_tiles : kFrameTiles;
  for (Image& frame : sample_frames(path))
    to.push_back({o.stored ? std::move(frame) : upright(std::move(frame)), tiles, true});
}

std::vector<Attachment> load_attachments(const RunOptions& o) {
  std::vector<Attachment> attachments;
  for (const std::string& path : o.images) add_picture(attachments, path, o);
  for (const std::string& path : o.videos) add_video(attachments, path, o);
  return attachments;
}

// The first turn: the pictures and the prompt. In a chat or a conversation that goes on it is not known yet.
ExpectedUse expected_use(const Checkpoint& checkpoint, const RunOptions& o, EncodeMode mode,
                         std::span<const Attachment> attachments) {
  ExpectedUse use{.n_context = o.context,
                  .chunk = o.chunk,
                  .types = cache_types(o.key_type, o.value_type),
                  .tile_batch = o.tile_batch,
                  .max_draft = o.lookup || !o.draft.empty() ? o.max_draft : 0,
                  .background = mode != EncodeMode::Coupled,
                  .eager = mode == EncodeMode::Eager};
  for (const Attachment& a : attachments)
    use.pictures.push_back(plan_picture(a.image, picture_spec(checkpoint, a.max_tiles)));
  const bool is_known = o.session_file.empty() && !(attachments.empty() && o.prompt.empty());
  if (!is_known || !checkpoint.tokenizer) return use;
  std::vector<TurnPart> parts;
  for (size_t i = 0; i < attachments.size(); ++i)
    parts.push_back({.picture = &use.pictures[i], .is_frame = attachments[i].is_frame});
  parts.push_back({.text = o.prompt});
  use.prompt = picture_places(checkpoint.model->prompt(*checkpoint.tokenizer, {.parts = parts, .system = o.system}));
  return use;
}

// Before the weights are read and the cache is there, so that a machine that is too small shows in time.
void print_memory(const Checkpoint& checkpoint, const RunOptions& o, EncodeMode mode,
                  std::span<const Attachment> attachments) {
  if (quiet()) return;
  MemoryEstimate m =
      estimate_memory(checkpoint, expected_use(checkpoint, o, mode, attachments), cpu_program_bytes(o.threads));
  auto mb = [](size_t bytes) { return static_cast<double>(bytes) / 1e6; };
  note(fmt::format("memory for {} tokens: weights {:.1f} MB + cache {:.1f} MB + activations {:.1f} MB = {:.1f} MB",
                   m.n_context, mb(m.weights), mb(m.cache), mb(m.activations), mb(m.total())));
}

RunOptions prepared(const RunOptions& o, const Checkpoint& checkpoint, bool chat,
                    std::span<const Attachment> attachments) {
  RunOptions tuned = with_tuning(o, checkpoint);
  print_memory(checkpoint, tuned, encode_mode(tuned, chat), attachments);
  return tuned;
}

std::shared_ptr<Executor> executor_for(const RunOptions& o) {
  if (!o.deterministic) return make_executor(o.executor, o.threads);
  if (o.executor != "cpu") throw usage_error("--deterministic with --executor {}: expected cpu", o.executor);
  return cpu::make_executor(std::make_shared<ThreadPool>(o.threads), cpu::Mode::Exact);
}

class Runner {
 public:
  Runner(const RunOptions& o, bool chat)
      : attachments_(load_attachments(o)),
        checkpoint_(std::make_shared<Checkpoint>(load_checkpoint(o.files))),
        o_(prepared(o, *checkpoint_, chat, attachments_)),
        encode_(encode_mode(o_, chat)),
        executor_(take_turns(executor_for(o_))),
        session_(checkpoint_, executor_, session_options(o_, encode_)),
        generation_(generate_options(o_, checkpoint_->model->sampling())),
        load_ms_(since_start_.elapsed_ms()) {
    generation_.drafter = make_drafter();
    if (!o_.session_file.empty() && fs::exists(o_.session_file)) session_.load(o_.session_file);
    if (!o_.system.empty()) session_.set_system(o_.system);
  }

  void answer_once() {
    attach_all();
    session_.append(o_.prompt);
    if (o_.release_vision) session_.release_vision();
    double first_ms = -1;
    std::string text = session_.generate(generation_, [&](std::string_view piece) {
      if (first_ms < 0) first_ms = since_start_.elapsed_ms();
      return o_.json ? !interrupted() : print_piece(piece);
    });
    save();
    if (o_.json) return print_json(to_json(text, first_ms));
    print_piece("\n");
    print_times(session_.timings(), load_ms_, first_ms);
  }

  void chat() {
    note(
        "type a message; /image FILE or /video FILE comes before it, /undo takes the last turn back, /reset forgets "
        "all; an empty line or Ctrl-D ends the chat");
    attach_all();
    for (std::string line; fmt::print(stderr, "> "), std::getline(std::cin, line) && !line.empty() && !interrupted();) {
      try {
        if (!obey(line)) reply(line);
      } catch (const Error& e) {  // a typing error does not end a conversation
        fmt::print(stderr, "galago: {}\n", e.what());
      }
    }
    save();
  }

 private:
  std::shared_ptr<Drafter> make_drafter() const {
    if (o_.lookup) return std::make_shared<LookupDrafter>();
    if (o_.draft.empty()) return nullptr;
    auto draft = std::make_shared<Checkpoint>(load_checkpoint(o_.draft));
    return std::make_shared<ModelDrafter>(draft, executor_, *checkpoint_, generation_.sampling, session_.n_context());
  }

  void attach_all() {
    Progress progress("frames");
    std::vector<Attachment> attachments = std::exchange(attachments_, {});
    for (size_t i = 0; i < attachments.size() && !interrupted(); ++i) {
      const bool is_frame = attachments[i].is_frame;
      attach(std::move(attachments[i]));
      if (!is_frame) continue;
      session_.wait();  // so that the progress is true
      progress.show(static_cast<double>(i + 1), static_cast<double>(attachments.size()));
    }
    if (encode_ == EncodeMode::Eager) session_.prefill_pictures();
  }

  void attach(Attachment a) {
    a.is_frame ? session_.attach_frame(std::move(a.image), a.max_tiles)
               : session_.attach_image(std::move(a.image), a.max_tiles);
  }

  // A line of the chat that is a command; false: it is a message.
  bool obey(const std::string& line) {
    auto argument = [&](std::string_view command) {
      return line.starts_with(command) ? std::optional(line.substr(command.size())) : std::nullopt;
    };
    if (auto path = argument("/image ")) return add_picture(attachments_, *path, o_), attach_all(), true;
    if (auto path = argument("/video ")) return add_video(attachments_, *path, o_), attach_all(), true;
    if (line == "/undo") return session_.rewind_turns(), true;
    if (line == "/reset") return session_.reset(), true;
    return false;
  }

  void reply(const std::string& line) {
    session_.append(line);
    if (o_.release_vision) session_.release_vision();
    session_.generate(generation_, print_piece);
    print_piece("\n");
  }

  void save() {
    if (o_.session_file.empty()) return;
    session_.save(o_.session_file);
    note(fmt::format("saved {} turns, {} places in {}", session_.n_turns(), session_.n_past(), o_.session_file));
  }

  Json to_json(const std::string& text, double first_token_ms) const {
    const Timings& t = session_.timings();
    Json result{{"text", text},
                {"ids", session_.generated_ids()},
                {"finish", reason_text(session_.finish_reason())},
                {"n_prompt", t.n_prompt},
                {"n_generated", t.n_generated},
                {"n_picture_tokens", t.n_picture_tokens},
                {"n_past", session_.n_past()},
                {"n_drafted", t.n_drafted},
                {"n_accepted", t.n_accepted},
                {"ms", times_json(t, load_ms_, first_token_ms)},
                {"peak_memory_mb", peak_memory_mb()}};
    if (o_.n_logprobs >= 0 && o_.beams == 1)
      result["logprobs"] = logprobs_json(*checkpoint_->tokenizer, session_.logprobs());
    if (o_.beams > 1) result["beam_score"] = session_.beam_score();
    return result;
  }

  Stopwatch since_start_;
  std::vector<Attachment> attachments_;  // read, not yet encoded
  std::shared_ptr<Checkpoint> checkpoint_;
  RunOptions o_;
  EncodeMode encode_;
  std::shared_ptr<Executor> executor_;
  Session session_;
  GenerateOptions generation_;
  double load_ms_;
};

void run(const RunOptions& o, bool prompt_given) {
  catch_interrupts();
  bool once = prompt_given || o.json || !o.images.empty() || !o.videos.empty() || !isatty(STDIN_FILENO);
  Runner runner(o, !once);
  once ? runner.answer_once() : runner.chat();
}

}  // namespace

void define_run(CLI::App& app) {
  auto o = std::make_shared<RunOptions>();
  CLI::Option* prompt = add_run_options(app, *o);
  app.callback([o, prompt] { run(*o, prompt->count() > 0); });
}

}  // namespace galago::cli
