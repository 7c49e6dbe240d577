#include "eval/caption_nll.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "runtime/graphs.h"

namespace galago {
namespace {

constexpr int64_t kPictures = 3;  // right, shuffled, blank
constexpr int64_t kTextStep = 8;  // texts are padded to a multiple of this, so that few programs are made
constexpr size_t kPrograms = 16;  // kept at once

int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// inputs: "ids" i32 [3, T], "positions" i32 [T], "rows" [3 * n_rows, d] and "rows_at" i32 [3 * n_rows] (places in
// [3 * T]); output "logits" [3, n_text, V] of the places before each text token. T = n_prompt + n_text - 1.
std::shared_ptr<Graph> nll_graph(const Model& model, const Weights& weights, int64_t n_prompt, int64_t n_text,
                                 int64_t n_rows) {
  auto graph = std::make_shared<Graph>();
  Graph& g = *graph;
  Scope s(g, weights);
  int64_t n = n_prompt + n_text - 1, d = model.d_model();
  Value ids = g.input("ids", DType::I32, {kPictures, n});
  Value rows = g.input("rows", DType::F32, {kPictures * n_rows, d});
  Value rows_at = g.input("rows_at", DType::I32, {kPictures * n_rows});
  PositionInfo at{.positions = g.input("positions", DType::I32, {n})};
  Value x = reshape(g, model.embed(s, ids), {kPictures * n, d});
  x = reshape(g, scatter(g, x, rows, rows_at), {kPictures, n, d});
  Value hidden = slice(g, model.decode(s, x, at, {}), 1, n_prompt - 1, n);  // [3, n_text, d]
  g.output(model.logits(s, hidden), "logits");
  return graph;
}

double sum_nll(std::span<const float> logits, std::span<const int32_t> targets, int64_t n_vocab) {
  double sum = 0;
  for (size_t i = 0; i < targets.size(); ++i)
    sum += token_nll(logits.subspan(i * static_cast<size_t>(n_vocab), static_cast<size_t>(n_vocab)), targets[i]);
  return sum;
}

}  // namespace

void NllSums::add(const NllSums& other) {
  right += other.right;
  shuffled += other.shuffled;
  blank += other.blank;
  tokens += other.tokens;
}

std::vector<int64_t> derangement(int64_t n, uint64_t seed) {
  CHECK(n >= 2, "{} items cannot all change places", n);
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  Rng rng(splitmix64(seed));
  for (int64_t i = n - 1; i > 0; --i)
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(rng.below(i))]);
  return order;
}

double token_nll(std::span<const float> logits, int32_t target) {
  double top = *std::max_element(logits.begin(), logits.end()), sum = 0;
  for (float x : logits) sum += std::exp(static_cast<double>(x) - top);
  return top + std::log(sum) - static_cast<double>(logits[static_cast<size_t>(target)]);
}

CaptionNll::CaptionNll(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor)
    : checkpoint_(std::move(checkpoint)), executor_(std::move(executor)), encoder_(checkpoint_, executor_) {
  require_tokenizer(*checkpoint_);
  auto end = checkpoint_->tokenizer->special_ids().eos;
  if (!end) throw invalid_input("{}: the tokenizer has no end token, which captions need", checkpoint_->path);
  end_ = *end;
}

CaptionNll::Layout CaptionNll::layout(const SlicePlan& plan, std::string_view beginning) const {
  Layout out;
  std::vector<TurnPart> parts{{.picture = &plan}, {.text = std::string(beginning)}};
  for (const PromptPiece& piece : checkpoint_->model->prompt(*checkpoint_->tokenizer, {.parts = parts})) {
    out.ids.insert(out.ids.end(), piece.ids.begin(), piece.ids.end());
    for (size_t i = 0; i < piece.rows.size(); ++i) {
      CHECK(piece.rows[i] == std::ssize(out.rows_at), "rows of pictures out of order are not scored");
      out.rows_at.push_back(static_cast<int32_t>(out.ids.size()));
      out.ids.push_back(0);
    }
  }
  return out;
}

Program& CaptionNll::program(int64_t n_prompt, int64_t n_text, int64_t n_rows) {
  auto found = programs_.find({n_prompt, n_text});
  if (found != programs_.end()) return *found->second;
  if (programs_.size() >= kPrograms) programs_.clear();
  auto graph = nll_graph(*checkpoint_->model, checkpoint_->weights, n_prompt, n_text, n_rows);
  return *(programs_[{n_prompt, n_text}] = executor_->compile(std::move(graph)));
}

NllSums CaptionNll::score(const EncodedPicture& right, const EncodedPicture& other, std::string_view beginning,
                          std::string_view text) {
  if (right.rows.shape() != other.rows.shape() || right.plan != other.plan)
    throw invalid_input("pictures cut into {} and {} tiles cannot stand in for each other; expected equal sizes",
                        right.plan.n_tiles(), other.plan.n_tiles());
  const Model& model = *checkpoint_->model;
  Layout prompt = layout(right.plan, beginning);
  std::vector<int32_t> targets = checkpoint_->tokenizer->encode(text);
  targets.push_back(end_);
  int64_t n_prompt = std::ssize(prompt.ids), n_rows = std::ssize(prompt.rows_at), room = model.cache().max_context;
  int64_t n_text = std::min(round_up(std::ssize(targets), kTextStep), room - n_prompt + 1);
  if (n_text < std::ssize(targets))
    throw invalid_input("a text of {} tokens behind {} of prompt; the model has {} places", targets.size(), n_prompt,
                        room);

  Program& p = program(n_prompt, n_text, n_rows);
  int64_t n = n_prompt + n_text - 1, d = model.d_model();
  std::vector<int32_t> line = prompt.ids;
  line.insert(line.end(), targets.begin(), targets.end() - 1);
  line.resize(static_cast<size_t>(n), end_);  // padding comes after everything that is scored
  std::span<int32_t> ids = p.input("ids").i32(), rows_at = p.input("rows_at").i32(),
                     positions = p.input("positions").i32();
  std::iota(positions.begin(), positions.end(), 0);
  for (int64_t k = 0; k < kPictures; ++k) {
    std::copy(line.begin(), line.end(), ids.begin() + k * n);
    for (int64_t i = 0; i < n_rows; ++i)
      rows_at[static_cast<size_t>(k * n_rows + i)] =
          static_cast<int32_t>(k * n) + prompt.rows_at[static_cast<size_t>(i)];
  }
  std::span<float> rows = p.input("rows").f32();
  std::fill(rows.begin(), rows.end(), 0.0f);  // the third picture stays blank
  std::copy_n(right.rows.f32().begin(), n_rows * d, rows.begin());
  std::copy_n(other.rows.f32().begin(), n_rows * d, rows.begin() + n_rows * d);
  p.run();

  Tensor logits = p.output("logits");
  auto nll = [&](int64_t k) { return sum_nll(logits.rows(k, k + 1).f32(), targets, model.n_vocab()); };
  NllSums sums;
  sums.right = nll(0);
  sums.shuffled = nll(1);
  sums.blank = nll(2);
  sums.tokens = std::ssize(targets);
  return sums;
}

}  // namespace galago
