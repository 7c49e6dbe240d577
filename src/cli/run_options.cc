#include "cli/run_options.h"

#include "base/error.h"

namespace galago::cli {
namespace {

EarlyStopping early_stopping(const std::string& name) {
  return name == "yes" ? EarlyStopping::Yes : name == "never" ? EarlyStopping::Never : EarlyStopping::No;
}

CLI::Option* add_inputs(CLI::App& app, RunOptions& o) {
  add_model_options(app, o.files);
  app.add_option("--lora-apart", o.files.loras_apart,
                 "a LoRA adapter to keep beside the weights, which may be quantized; may be repeated")
      ->allow_extra_args(false);
  CLI::Option* prompt =
      app.add_option("-p,--prompt", o.prompt, "the question, or the beginning of the text to continue");
  app.add_option("--system", o.system, "instead of the model's own system text");
  app.add_option("--image", o.images, "a picture; may be given several times")->allow_extra_args(false);
  app.add_option("--video", o.videos, "a video: about one frame a second, at most 64")->allow_extra_args(false);
  app.add_option("--max-tiles", o.max_tiles, "cut a picture into no more tiles than this (frames of a video: 2)")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--stored", o.stored, "take pictures as stored, without the turn that EXIF asks for");
  app.add_option("--session", o.session_file,
                 "go on with the conversation in this file if it is there; save it at the end");
  app.add_option("--picture-cache", o.picture_folder, "keep embeddings of pictures in this folder");
  return prompt;
}

void add_machine(CLI::App& app, RunOptions& o) {
  app.add_option("-c,--ctx-size", o.context,
                 "places in the key/value cache; default: what the model allows, at most 4096");
  app.add_option("-b,--batch-size", o.chunk, "longest piece of prompt run at once; default: see --tune")
      ->check(CLI::Range(1, 65536));
  app.add_option("-t,--threads", o.threads, "threads; default: see --tune")->check(CLI::Range(0, 1024));
  add_cache_types(app, o.key_type, o.value_type);
  app.add_flag("--release-vision", o.release_vision, "free what encoding pictures needs before answering");
  app.add_option(
         "--encode", o.encode,
         "coupled: a picture is encoded when it is attached; decoupled: in the background; eager: and run through "
         "the language model while you type; auto: eager in a chat, otherwise decoupled")
      ->check(CLI::IsMember({"auto", "coupled", "decoupled", "eager"}));
  app.add_option("--tile-batch", o.tile_batch,
                 "tiles of a picture that run together; 0 = all of a view; default: see --tune")
      ->check(CLI::Range(0, 1024));
  app.add_flag("--tune", o.tune,
               "measure again which threads, batch size and tile batch are fastest here; kept for the next runs in "
               "$XDG_CACHE_HOME/galago. Without it large models are measured once");
  app.add_flag(
      "--deterministic", o.deterministic,
      "the same bits for any number of threads, batch size and drafts: without kernels that add in another order "
      "for many rows, so long prompts take more time");
  app.add_option("--executor", o.executor, "cpu or torch");
}

void add_sampling(CLI::App& app, RunOptions& o) {
  app.add_option("-n,--n-predict", o.n, "longest answer in tokens");
  app.add_option("--temp", o.temperature, "0 = always the most probable token");
  app.add_option("--top-k", o.top_k, "sample from this many tokens; 0 = all");
  app.add_option("--top-p", o.top_p, "sample from the tokens that make up this probability");
  app.add_option("--min-p", o.sampling.min_p, "drop tokens less probable than this share of the best");
  app.add_option("--repeat-penalty", o.repeat_penalty, "above 1: repeated tokens become less probable");
  app.add_option("--presence-penalty", o.sampling.presence_penalty, "taken from the logits of tokens that were there");
  app.add_option("--frequency-penalty", o.sampling.frequency_penalty, "the same, each time that they were there");
  app.add_option("--repeat-last-n", o.repeat_window, "penalties look at so many tokens; 0 = none, -1 = all");
  app.add_flag("--penalize-prompt", o.sampling.penalize_prompt, "penalties count the prompt's tokens too");
  app.add_option("-s,--seed", o.sampling.seed, "of sampling");
  app.add_option("--stop,-r,--reverse-prompt", o.stop, "a string that ends the answer; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--logprobs", o.n_logprobs, "with --json: log-probabilities of each token and of the best N")
      ->check(CLI::Range(0, 1000));
  CLI::Option* lookup = app.add_flag("--lookup", o.lookup,
                                     "guess tokens from what followed the last words before: same answer, fewer runs");
  app.add_option("--draft", o.draft, "guess tokens with this small model of the same tokenizer")->excludes(lookup);
  app.add_option("--draft-max", o.max_draft, "guess at most so many tokens at a time")->check(CLI::Range(1, 64));
  app.add_option("--beams", o.beams, "beam search with N answers at a time instead of sampling")
      ->check(CLI::Range(1, 1024));
  app.add_option("--length-penalty", o.length_penalty, "of beam search: above 0 favours long answers");
  app.add_option("--early-stopping", o.early_stopping, "of beam search: no, yes or never")
      ->check(CLI::IsMember({"no", "yes", "never"}));
  app.add_flag("--json", o.json, "text, ids and times as one JSON object");
}

}  // namespace

CLI::Option* add_run_options(CLI::App& app, RunOptions& o) {
  CLI::Option* prompt = add_inputs(app, o);
  add_sampling(app, o);
  add_machine(app, o);
  return prompt;
}

DType find_cache_type(const std::string& name) {
  const DTypeInfo* type = find_dtype(name);
  if (!type || (type->dtype != DType::F32 && type->dtype != DType::F16 && type->dtype != DType::Q8_0))
    throw usage_error("--cache-type {}: expected f32, f16 or q8_0", name);
  return type->dtype;
}

void add_cache_types(CLI::App& app, std::string& key, std::string& value) {
  app.add_option("--cache-type-k,--cache-type", key, "-ctk: cache of keys: f32, f16 (default) or q8_0");
  app.add_option("--cache-type-v", value, "-ctv: cache of values; default: as keys");
}

CacheTypes cache_types(const std::string& key, const std::string& value) {
  return {find_cache_type(key), find_cache_type(value.empty() ? key : value)};
}

EncodeMode encode_mode(const RunOptions& o, bool chat) {
  if (o.encode == "auto") return chat ? EncodeMode::Eager : EncodeMode::Decoupled;
  return o.encode == "coupled"     ? EncodeMode::Coupled
         : o.encode == "decoupled" ? EncodeMode::Decoupled
                                   : EncodeMode::Eager;
}

SessionOptions session_options(const RunOptions& o, EncodeMode mode) {
  const CacheTypes types = cache_types(o.key_type, o.value_type);
  return {.n_context = o.context,
          .chunk = o.chunk,
          .cache_type = types.key,
          .value_type = types.value,
          .pictures = std::make_shared<PictureCache>(PictureCacheOptions{.folder = o.picture_folder}),
          .tile_batch = o.tile_batch,
          .background = mode != EncodeMode::Coupled};
}

GenerateOptions generate_options(const RunOptions& o, const SamplingDefaults& defaults) {
  SamplingOptions sampling = o.sampling;
  const SamplingOptions own = sampling_options(defaults);
  sampling.temperature = o.temperature.value_or(own.temperature);
  sampling.top_k = o.top_k.value_or(own.top_k);
  sampling.top_p = o.top_p.value_or(own.top_p);
  sampling.repeat_penalty = o.repeat_penalty.value_or(own.repeat_penalty);
  // The reference's penalty looks at everything; a penalty of the user's own at what llama.cpp's looks at.
  sampling.repeat_window = o.repeat_window.value_or(o.repeat_penalty ? sampling.repeat_window : own.repeat_window);
  return {
      .max_new_tokens = o.n >= 0 ? o.n : defaults.max_new_tokens,
      .sampling = std::move(sampling),
      .stop = o.stop,
      .n_logprobs = o.n_logprobs,
      .beams = {.n = o.beams, .length_penalty = o.length_penalty, .early_stopping = early_stopping(o.early_stopping)},
      .max_draft = o.max_draft};
}

}  // namespace galago::cli
