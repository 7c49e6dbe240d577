#include "cli/random_model.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "quant/quantize.h"
#include "quant/widen.h"
#include "runtime/random_model.h"
#include "text/train_bpe.h"

namespace galago::cli {
namespace {

struct Options {
  std::string family, size = "tiny", out, type = "f32";
  uint64_t seed = 1;
  int threads = 0;
  bool json = false;
};

// The smallest presets have fewer token rows than a byte-level tokenizer needs.
void make_room_for_bytes(Json& config) {
  constexpr int kFewestTokens = 320;
  for (const char* field : {"vocab_size", "lm_vocab_size"})
    if (config.contains(field) && config[field].get<int>() < kFewestTokens) config[field] = kFewestTokens;
}

// Bytes, a few words, and the control tokens of the family's prompts.
Tokenizer small_tokenizer(const Model& model) {
  const std::string corpus[] = {
      "there is a red apple on the green grass", "there are two dogs and a small cat in the snow",
      "a big blue ball is next to the yellow car", "what is in the picture? a tree and a house"};
  BpeTrainOptions options{.vocab_size = std::min(model.n_vocab(), 2048)};
  std::ranges::move(prompt_tokens(model), std::back_inserter(options.specials));
  return train_bpe(corpus, options);
}

// One weight at a time: made, encoded, written.
void write_gguf_file(const Options& o, const Model& model, const Tokenizer& tokenizer) {
  QuantRecipe recipe = find_quant_recipe(o.type);
  ThreadPool pool(o.threads);
  Weights shapes;  // no memory behind them: planning looks at names and shapes only
  static std::byte nowhere;
  for (const WeightSpec& spec : model.weights())
    if (!spec.optional)
      shapes[spec.name] =
          std::make_shared<Weight>(Weight{spec.name, Tensor::view(DType::F32, spec.shape, &nowhere, nullptr)});
  auto random = [&](const WeightSpec& spec) {
    return random_tensor({spec.name, spec.shape, spec.init_std, spec.init_value}, DType::F32, o.seed);
  };
  PendingWeights pending;
  std::vector<WeightSpec> specs = model.weights();
  for (const WeightSpec& spec : specs)
    if (!spec.optional) pending[spec.name] = {DType::F32, spec.shape, [&, spec] { return random(spec); }};
  std::vector<QuantRow> rows = plan_quantization(model, shapes, recipe);
  for (QuantRow& row : rows) {
    PendingWeight& weight = pending[row.name];
    weight.type = row.type;
    weight.make = [&, make = weight.make] { return quantize_one(make(), row, nullptr, &pool); };
  }
  write_gguf(o.out, model, pending, file_type_of(recipe), &tokenizer);
}

void run(const Options& o) {
  const Family* family = find_family(o.family);
  if (!family) throw usage_error("there is no model family {}; `galago models` lists them", o.family);
  Json config = family->preset(o.size);
  if (config.is_null()) throw usage_error("{} has no size {}; `galago models` lists them", o.family, o.size);
  make_room_for_bytes(config);
  std::shared_ptr<const Model> model = make_model(config, o.family);
  if (o.out.ends_with(".gguf"))
    if (auto wide = widened(*model, find_quant_recipe(o.type))) model = wide;
  Tokenizer tokenizer = small_tokenizer(*model);
  if (o.out.ends_with(".gguf"))
    write_gguf_file(o, *model, tokenizer);
  else
    write_random_folder(o.out, *model, tokenizer, find_weight_format(o.type), o.seed);
  int64_t n = count_parameters(*model);
  if (o.json) return print_json({{"out", o.out}, {"family", o.family}, {"size", o.size}, {"parameters", n}});
  fmt::print("{}: {} {} with {} random parameters\n", o.out, o.family, o.size, n);
}

}  // namespace

void define_random_model(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand(
      "random-model", "a checkpoint with random weights and a small tokenizer, in the reference's own layout");
  sub->add_option("FAMILY", o->family, "a family of `galago models`")->required();
  sub->add_option("--size", o->size, "a preset of `galago models` (tiny)");
  sub->add_option("--type", o->type, "f32 (default), f16 or bf16; for a .gguf file any type of `galago convert`");
  sub->add_option("--seed", o->seed, "of the weights (1)");
  sub->add_option("--out", o->out, "the folder to write, or a .gguf file")->required();
  sub->add_option("-t,--threads", o->threads, "0 = one per processor");
  sub->add_flag("--json", o->json, "what was made as one JSON object");
  sub->callback([o] { run(*o); });
}

}  // namespace galago::cli
