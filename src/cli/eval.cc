// galago eval TASK ...: scores a model. One section a task (eval/tasks.def).
#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "cli/command.h"
#include "eval/contact_sheet.h"
#include "eval/endpoint.h"
#include "eval/judge.h"
#include "eval/scenes.h"
#include "image/write_png.h"

namespace galago::cli {
namespace {

// ---- scenes ------------------------------------------------------------------------------------------------------

constexpr int kSheetCells = 24;

struct ScenesOptions {
  std::string model, split = "test", executor = "cpu", out, sheet, true_sheet;
  SceneEvalOptions eval;
  int threads = 0;
  bool no_likelihood = false, json = false;
};

void write_results(const std::string& path, const SceneEvaluation& evaluation) {
  AtomicFile file(path);
  for (const SceneResult& result : evaluation.results) {
    Json line = result_to_json(result);
    line["id"] = fmt::format("{}-{}", line["split"].get<std::string>(), result.item.index);
    file.write(line.dump() + "\n");
  }
  file.commit();
}

// The first pictures beside their texts; with `only_true` the first of those where every fact of the text is right.
void write_sheet(const std::string& path, const SceneEvaluation& evaluation, bool only_true) {
  std::vector<SheetCell> cells;
  for (const SceneResult& r : evaluation.results) {
    bool is_true = r.facts.perfect > 0;
    if (r.item.image.width == 0 || std::ssize(cells) == kSheetCells) break;
    if (is_true || !only_true) cells.push_back({r.item.image, r.text(), r.item.reference, is_true});
  }
  if (cells.empty()) return note(fmt::format("{}: not written, no text qualifies", path));
  write_png(path, contact_sheet(cells));
}

void run_scenes(ScenesOptions o) {
  constexpr std::string_view kSplitNames[] = {"train", "val", "test", "test_unseen"};
  if (std::ranges::find(kSplitNames, o.split) == std::end(kSplitNames))
    throw usage_error("--split {}: expected train, val, test or test_unseen", o.split);
  o.eval.items.split = split_from_name(o.split);
  o.eval.likelihood = !o.no_likelihood;
  if (!o.sheet.empty()) o.eval.keep_pictures = kSheetCells;
  if (!o.true_sheet.empty()) o.eval.keep_pictures = INT_MAX;
  catch_interrupts();
  auto checkpoint = std::make_shared<Checkpoint>(load_checkpoint(o.model));
  SceneEvaluation evaluation;
  {
    Progress progress("evaluating");
    evaluation = evaluate_scenes(
        checkpoint, make_executor(o.executor, o.threads), o.eval,
        [&](int64_t done, int64_t total) { progress.show(static_cast<double>(done), static_cast<double>(total)); });
  }
  if (!o.out.empty()) write_results(o.out, evaluation);
  if (!o.sheet.empty()) write_sheet(o.sheet, evaluation, false);
  if (!o.true_sheet.empty()) write_sheet(o.true_sheet, evaluation, true);
  if (evaluation.interrupted)
    note(fmt::format("stopped; the numbers are those of {} pictures", evaluation.results.size()));
  if (o.json) return print_json(summary_to_json(evaluation));
  print_table(summary_table(evaluation));
}

void define_task_scenes(CLI::App& app) {
  auto o = std::make_shared<ScenesOptions>();
  SceneEvalOptions& e = o->eval;
  app.add_option("MODEL", o->model, "a GGUF file or a folder with config.json")->required();
  app.add_option("--data", e.items.folder, "a folder made by `galago data scenes`; otherwise scenes are painted now");
  app.add_option("--split", o->split, "train, val, test or test_unseen")->capture_default_str();
  app.add_option("--count", e.items.count, "pictures")->capture_default_str();
  app.add_option("--seed", e.items.seed, "of the painted scenes and of the shuffled pictures")->capture_default_str();
  app.add_option("--style", e.items.style, "of the reference texts: short, long or list")->capture_default_str();
  app.add_option("-p,--prompt", e.prompt, "every text begins so");
  app.add_option("--begin-words", e.begin_words,
                 "the first N words of the reference are the beginning (the paper: 6-7 short, 18-20 long)");
  app.add_option("--max-tokens", e.max_new_tokens, "longest text")->capture_default_str();
  app.add_option("--nearest", e.nearest, "training texts to look for copies in; 0 = none")->capture_default_str();
  app.add_flag("--no-nll", o->no_likelihood, "only texts, no likelihoods");
  app.add_option("--executor", o->executor, "cpu or torch")->capture_default_str();
  app.add_option("-t,--threads", o->threads, "0 = one per processor")->capture_default_str();
  app.add_option("--out", o->out, "one JSON line a picture");
  app.add_option("--sheet", o->sheet, fmt::format("a PNG of the first {} pictures beside their texts", kSheetCells));
  app.add_option("--true-sheet", o->true_sheet,
                 fmt::format("the same of the first {} whose text names every object and number right", kSheetCells));
  app.add_flag("--json", o->json, "the summary as one JSON object");
  app.callback([o] { run_scenes(*o); });
}

// ---- judge -------------------------------------------------------------------------------------------------------

struct JudgeOptions {
  std::string items, prompts, scores, out;
  EndpointOptions endpoint{.url = "", .model = "gpt-4o", .key = ""};
  bool json = false;
};

void print_judged(const JudgeSummary& s, bool json) {
  if (json) return print_json(judge_summary_to_json(s));
  auto mean = [&](double v) { return s.scored == 0 ? std::string("-") : fmt::format("{:.2f}", v); };
  std::vector<std::vector<std::string>> rows = {{"criterion", "mean of 0-10"}};
  for (size_t i = 0; i < kCriteria; ++i) rows.push_back({std::string(kCriterionNames[i]), mean(s.means[i])});
  rows.push_back({"all", mean(s.overall())});
  print_table(rows);
  fmt::print("{} of {} texts graded", s.scored, s.items);
  if (s.malformed > 0) fmt::print(", {} replies could not be read", s.malformed);
  if (s.failed > 0) fmt::print(", {} texts got no reply", s.failed);
  fmt::print("\n");
}

bool leaves_this_machine_in_clear(const std::string& origin) {
  return origin.starts_with("http://") && !origin.starts_with("http://localhost") && !origin.starts_with("http://127.");
}

JudgeSummary ask_endpoint(const JudgeOptions& o, const std::vector<JudgeItem>& items) {
  if (o.out.empty())
    throw usage_error("--endpoint needs --out FILE: every grade is kept, and a stopped run goes on there");
  EndpointOptions options = o.endpoint;
  if (const char* key = std::getenv("OPENAI_API_KEY")) options.key = key;
  ChatEndpoint endpoint(options);
  if (!options.key.empty() && leaves_this_machine_in_clear(parse_endpoint_url(options.url).origin))
    note("the key in OPENAI_API_KEY is sent unencrypted; use https:// unless the network is yours");
  catch_interrupts();
  Progress progress("judging");
  constexpr int kTries = 3, kSilences = 3;
  int silent = 0;  // questions in a row without any reply
  return run_judge(
      o.out, items,
      [&](const std::string& prompt) {
        auto reply = endpoint.ask(prompt);
        silent = reply ? 0 : silent + 1;
        if (silent == kSilences && !interrupted())
          throw io_error("{}; what is graded so far is in {}, run the command again to go on", endpoint.failure(),
                         o.out);
        return reply;
      },
      options.model, kTries,
      [&](int64_t done, int64_t total) { progress.show(static_cast<double>(done), static_cast<double>(total)); });
}

void run_judge_task(const JudgeOptions& o) {
  int ways = !o.endpoint.url.empty() + !o.scores.empty() + !o.prompts.empty();
  if (ways != 1) throw usage_error("give one of --prompts FILE (export), --scores FILE (import), --endpoint URL (ask)");
  std::vector<JudgeItem> items = read_judge_items(o.items);
  if (!o.prompts.empty()) {
    write_judge_prompts(o.prompts, items);
    return note(fmt::format("{}: {} prompts", o.prompts, items.size()));
  }
  if (!o.scores.empty()) return print_judged(read_judge_scores(o.scores, items), o.json);
  JudgeSummary summary = ask_endpoint(o, items);
  print_judged(summary, o.json);
  if (interrupted()) note(fmt::format("stopped; run the command again to go on in {}", o.out));
}

void define_task_judge(CLI::App& app) {
  auto o = std::make_shared<JudgeOptions>();
  app.add_option("ITEMS", o->items, "JSON lines of `galago eval scenes MODEL --begin-words N --out ITEMS`")->required();
  app.add_option("--prompts", o->prompts, "write one prompt a text to this file, for a judge of your own");
  app.add_option("--scores", o->scores, "read grades: lines with id and scores, or id and reply");
  app.add_option("--endpoint", o->endpoint.url, "ask an OpenAI-compatible server; its key comes from OPENAI_API_KEY");
  app.add_option("--judge-model", o->endpoint.model, "the model to ask for")->capture_default_str();
  app.add_option("--timeout", o->endpoint.timeout_seconds, "seconds to wait for a reply")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
  app.add_option("--out", o->out,
                 "with --endpoint: grades are added to this file, texts graded there are not asked again");
  app.add_flag("--json", o->json, "the summary as one JSON object");
  app.callback([o] { run_judge_task(*o); });
}

}  // namespace

void define_eval(CLI::App& app) {
  auto add = [&](const char* name, const char* summary, const char* example, void (*define)(CLI::App&)) {
    CLI::App* task = app.add_subcommand(name, summary);
    task->footer(std::string("Example:\n  ") + example);
    task->fallthrough();  // --quiet and --debug
    define(*task);
  };
#define TASK(name, summary, example) add(#name, summary, example, define_task_##name);
#include "eval/tasks.def"
#undef TASK
  app.require_subcommand(1);
}

}  // namespace galago::cli
