#include "train/caption_training.h"

#include <cmath>
#include <filesystem>
#include <map>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "runtime/graphs.h"
#include "text/load_tokenizer.h"
#include "text/train_bpe.h"
#include "train/captions.h"
#include "train/curves.h"
#include "train/run_folder.h"
#include "train/tensorboard.h"

namespace galago {
namespace {

using torch_backend::Trainer;

constexpr double kCurvesEveryMs = 30'000;  // drawing takes a tenth of a second

// Tokens that the vocabulary is trained on come from all styles, so that later stages find their words.
std::shared_ptr<const Tokenizer> train_tokenizer(const Recipe& recipe, const CaptionSource& source) {
  BpeTrainer trainer({.vocab_size = recipe.vocab_size});
  int64_t n = std::min<int64_t>(recipe.tokenizer_texts, source.size(Split::Train));
  for (const StageRecipe& stage : recipe.stages)
    for (int64_t i = 0; i < n; ++i) trainer.add(source.text(Split::Train, i, stage.style));
  return std::make_shared<Tokenizer>(trainer.train());
}

class CaptionTraining {
 public:
  CaptionTraining(const Recipe& recipe, bool resume)
      : recipe_(recipe),
        folder_(recipe.out),
        model_(make_model(recipe.model, recipe.name)),
        source_(make_caption_source(recipe.data, model_->pictures().slice.tile)),
        trainer_(torch_backend::make_trainer(options(recipe))) {
    if (folder_.has_checkpoint() && !resume)
      throw invalid_input(
          "{}: holds a checkpoint. Continue with --resume {}, or give another folder with --set out=...", recipe.out,
          recipe.out);
    write_file(recipe.out + "/recipe.json", recipe_to_json(recipe).dump(2) + "\n");
    make_start();
    if (tokenizer_->vocab_size() > model_->n_vocab())
      throw invalid_input("{}: the tokenizer has {} tokens, the model {}", recipe.name, tokenizer_->vocab_size(),
                          model_->n_vocab());
    batches_ = std::make_unique<CaptionBatches>(source_, model_, tokenizer_, recipe.batch);
    if (folder_.has_checkpoint())
      state_ = folder_.resume(*trainer_, *model_);
    else
      folder_.start_over();
    events_ = std::make_unique<EventWriter>(recipe.out, state_.step + 1);
  }

  TrainingResult run() {
    catch_interrupts();
    note(fmt::format("training {}: {} parameters, {} steps of {} x {} pictures, into {}", recipe_.name,
                     count_parameters(*model_), recipe_.total_steps(), recipe_.batch, recipe_.accumulate, recipe_.out));
    Progress progress("step");
    Stopwatch clock;
    int64_t since = state_.step;
    while (state_.step < recipe_.total_steps() && !interrupted() && !out_of_patience()) {
      double norm = 0, loss = train_step(norm);
      if (!std::isfinite(loss))
        throw invalid_input("{}: the loss is {} at step {}; lower learning_rate", recipe_.name, loss, state_.step);
      double pictures_per_second =
          static_cast<double>((state_.step - since) * recipe_.batch * recipe_.accumulate) / clock.elapsed_ms() * 1000;
      progress.show(static_cast<double>(state_.step), static_cast<double>(recipe_.total_steps()),
                    fmt::format("loss {:.3f}  validation {:.3f}  {:.0f} pictures/s", loss, result_.validation_loss,
                                pictures_per_second));
      if (state_.step % recipe_.log_every == 0)
        log({{"loss", loss},
             {"gradient_norm", norm},
             {"learning_rate", rate(state_.step - 1)},
             {"pictures_per_second", pictures_per_second}});
      bool best = state_.step % recipe_.eval_every == 0 || done() ? evaluate() : false;
      if (best || state_.step % recipe_.save_every == 0) save(best);
    }
    save(false);
    result_.interrupted = interrupted();
    result_.steps = state_.step;
    result_.best_loss = state_.best_loss;
    result_.folder = recipe_.out;
    return result_;
  }

 private:
  static torch_backend::TrainOptions options(const Recipe& r) {
    torch_backend::TrainOptions o{.device = r.device, .bf16 = r.bf16, .seed = r.seed, .n_threads = r.threads};
    o.optimizer.beta2 = static_cast<float>(r.beta2);
    o.optimizer.weight_decay = static_cast<float>(r.weight_decay);
    o.optimizer.clip_norm = static_cast<float>(r.clip);
    return o;
  }

  // Tokenizer and weights before the first step: from `init`, or new. A resumed run keeps its tokenizer, whatever the
  // recipe says by now.
  void make_start() {
    std::string path = recipe_.out + "/tokenizer.json";
    if (!recipe_.init.empty())
      start_from(load_checkpoint(recipe_.init));
    else
      weights_ = random_weights(*model_, recipe_.seed);
    if (folder_.has_checkpoint()) tokenizer_ = std::make_shared<Tokenizer>(load_tokenizer(path));
    if (!tokenizer_) tokenizer_ = train_tokenizer(recipe_, *source_);
    if (!folder_.has_checkpoint()) write_file(path, tokenizer_->to_tokenizer_json());
  }

  void start_from(const Checkpoint& from) {
    if (from.model->config() != model_->config())
      throw invalid_input("{}: its config differs from the recipe's model", recipe_.init);
    for (auto& [name, weight] : from.weights)
      weights_[name] = std::make_shared<Weight>(Weight{name, to_f32(weight->data)});
    tokenizer_ = from.tokenizer;
  }

  // One line of the log, and the same numbers for TensorBoard.
  void log(Json line) {
    for (const auto& [name, value] : line.items()) events_->scalar(name, state_.step, value.get<double>());
    line["step"] = state_.step;
    folder_.log(line);
  }

  bool done() const { return state_.step == recipe_.total_steps(); }
  bool out_of_patience() const {
    return recipe_.patience > 0 && state_.evaluations_without_progress >= recipe_.patience;
  }
  double rate(int64_t step) const { return recipe_.learning_rate * learning_rate_factor(recipe_.schedule, step); }

  const std::string& style(int64_t step) const {
    int64_t end = 0;
    for (const StageRecipe& stage : recipe_.stages)
      if (step < (end += stage.steps)) return stage.style;
    return recipe_.stages.back().style;
  }

  const Graph& graph(int64_t n_text) {
    auto& graph = graphs_[n_text];
    if (!graph) graph = loss_graph(*model_, weights_, recipe_.batch, 1, n_text);
    return *graph;
  }

  double train_step(double& norm) {
    double loss = 0;
    for (int i = 0; i < recipe_.accumulate; ++i) {
      CaptionBatch batch = batches_->get(Split::Train, state_.step * recipe_.accumulate + i, style(state_.step));
      loss +=
          trainer_->forward_backward(graph(batch.n_text), batch.inputs, 1.0f / static_cast<float>(recipe_.accumulate));
    }
    norm = trainer_->step(static_cast<float>(rate(state_.step)));
    ++state_.step;
    return result_.train_loss = loss / recipe_.accumulate;
  }

  bool evaluate() {
    double total = 0;
    int64_t n = std::max<int64_t>(batches_->batches(Split::Validation), 1);
    for (int64_t i = 0; i < n; ++i) {
      CaptionBatch batch = batches_->get(Split::Validation, i, style(state_.step - 1));
      total += trainer_->evaluate(graph(batch.n_text), batch.inputs).at("loss").f32()[0];
    }
    result_.validation_loss = total / static_cast<double>(n);
    log({{"validation_loss", result_.validation_loss}});
    bool new_stage = style(state_.step - 1) != state_.best_style;
    bool best = new_stage || result_.validation_loss < state_.best_loss;
    state_.best_style = style(state_.step - 1);
    state_.evaluations_without_progress = best ? 0 : state_.evaluations_without_progress + 1;
    if (best) state_.best_loss = result_.validation_loss;
    return best;
  }

  void save(bool best) {
    if (!folder_.has_checkpoint() && state_.step == 0) return;  // stopped before the first step
    folder_.save(*trainer_, *model_, *tokenizer_, state_, best);
    if (done() || interrupted() || since_curves_.elapsed_ms() > kCurvesEveryMs) {
      draw_curves(recipe_.out);
      since_curves_ = {};
    }
  }

  Recipe recipe_;
  RunFolder folder_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const CaptionSource> source_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<Trainer> trainer_;
  Weights weights_;
  std::unique_ptr<CaptionBatches> batches_;
  std::unique_ptr<EventWriter> events_;
  std::map<int64_t, std::shared_ptr<Graph>> graphs_;
  Stopwatch since_curves_;
  RunState state_;
  TrainingResult result_;
};

}  // namespace

TrainingResult train_captions(const Recipe& recipe, bool resume) { return CaptionTraining(recipe, resume).run(); }

}  // namespace galago
