// galago data NAME: makes or imports data sets. scenes: painted pictures with captions; nanovlms build: child-like
// descriptions from human captions, by an outside teacher or a template; random-model: a checkpoint with random
// weights.
#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/random_model.h"
#include "data/coco.h"
#include "data/scene_set.h"
#include "data/teacher.h"
#include "image/write_png.h"
#include "runtime/checkpoint.h"
#include "text/train_bpe.h"

namespace galago::cli {
namespace {

struct SceneArguments {
  SceneSetOptions set;
  std::string out, style = "short";
  bool json = false;
};

std::vector<Style> styles_from(const std::string& name) {
  if (name == "both") return {Style::Short, Style::Long};
  return {style_from_name(name)};
}

void run_scenes(SceneArguments o) {
  o.set.styles = styles_from(o.style);
  o.set.scenes.style = o.set.styles[0];
  catch_interrupts();
  Progress bar("scenes");
  auto progress = [&](int64_t done, int64_t total) {
    if (interrupted())
      throw cancelled("{}: stopped after {} of {} pictures; the same command goes on from there", o.out, done, total);
    bar.show(static_cast<double>(done), static_cast<double>(total));
  };
  SceneSetReport report = write_scenes(o.out, o.set, progress);
  if (o.json)
    return print_json({{"out", o.out},
                       {"pictures", report.pictures},
                       {"texts", report.texts},
                       {"already_there", report.already_there},
                       {"outside_length", report.outside_length}});
  fmt::print("{}: {} pictures ({} were there), {} texts, {} of them miss the length rule\n", o.out, report.pictures,
             report.already_there, report.texts, report.outside_length);
}

void define_scenes(CLI::App& app) {
  auto o = std::make_shared<SceneArguments>();
  CLI::App* sub =
      app.add_subcommand("scenes", "painted scenes with captions: everything said about them is known to be true");
  sub->add_option("--out", o->out, "the folder to write")->required();
  const char* counts[] = {"--train", "--val", "--test", "--test-unseen"};
  for (size_t i = 0; i < std::size(counts); ++i)
    sub->add_option(counts[i], o->set.counts[i], "number of pictures")->check(CLI::NonNegativeNumber);
  sub->add_option("--size", o->set.scenes.size, "pixels of a side (128)")->check(CLI::Range(64, 448));
  sub->add_option("--seed", o->set.scenes.seed, "the same seed gives the same set (1)");
  sub->add_option("--style", o->style, "short (20 to 25 words), long (60 to 70) or both");
  sub->add_option("-t,--threads", o->set.threads, "0 = one per processor");
  sub->add_flag("--json", o->json, "the counts as one JSON object");
  sub->callback([o] { run_scenes(*o); });
}

struct OneSceneArguments {
  SceneOptions scenes;
  std::string split = "test", style = "short", out;
  int64_t index = 0;
  bool json = false;
};

// Without loss: a picture for people is no place for JPEG blocks.
void run_one_scene(OneSceneArguments o) {
  o.scenes.style = style_from_name(o.style);
  SceneSource source(o.scenes);
  Scene scene = source.scene(split_from_name(o.split), o.index);
  GlyphBook book(o.scenes.font);
  if (!o.out.empty()) write_png(o.out, render_lossless(scene, o.scenes.size, book));
  if (o.json) return print_json({{"text", source.text(scene)}, {"scene", scene_to_json(scene)}});
  fmt::print("{}\n", source.text(scene));
}

void define_one_scene(CLI::App& app) {
  auto o = std::make_shared<OneSceneArguments>();
  CLI::App* sub = app.add_subcommand("scene", "one painted scene as PNG, its description to stdout");
  sub->add_option("--split", o->split, "train, val, test or test_unseen (test)");
  sub->add_option("--index", o->index, "number of the scene in its split (0)")->check(CLI::NonNegativeNumber);
  sub->add_option("--size", o->scenes.size, "pixels of a side (128)")->check(CLI::Range(64, 448));
  sub->add_option("--seed", o->scenes.seed, "of the set (1)");
  sub->add_option("--style", o->style, "short or long");
  sub->add_option("--out", o->out, "the PNG to write");
  sub->add_flag("--json", o->json, "description and scene graph as one JSON object");
  sub->callback([o] { run_one_scene(*o); });
}

struct TeacherArguments {
  std::string coco, captions, prompts, answers, out, style = "short";
  bool from_template = false, json = false;
};

void print_report(const TeacherArguments& o, const TeacherReport& report) {
  if (!o.json) return fmt::print("{}: {}\n", o.out, report.summary());
  print_json({{"out", o.out},
              {"pictures", report.pictures},
              {"texts", report.texts},
              {"missing", report.missing},
              {"unknown", report.unknown},
              {"outside_length", report.outside_length},
              {"outside_share", report.outside_share()}});
}

void run_nanovlms(TeacherArguments o) {
  if (o.coco.empty() == o.captions.empty()) throw usage_error("expected either --coco DIR or --captions FILE");
  if (o.from_template + !o.prompts.empty() + !o.answers.empty() != 1)
    throw usage_error(
        "expected one of --teacher-jsonl FILE (write prompts), --answers FILE (read answers), --template");
  if (o.prompts.empty() && o.out.empty()) throw usage_error("--out FILE is missing");
  if (!o.coco.empty()) {
    o.captions = (o.out.empty() ? o.prompts : o.out) + ".captions.jsonl";
    note(fmt::format("{}: {} pictures", o.captions, import_coco_captions(find_coco_captions(o.coco), o.captions)));
  }
  Style style = style_from_name(o.style);
  if (o.from_template) return print_report(o, build_template_set(o.captions, o.out, style));
  if (!o.answers.empty()) return print_report(o, join_teacher_answers(o.captions, o.answers, o.out, style));
  int64_t n = build_teacher_prompts(o.captions, o.prompts, style);
  if (o.json) return print_json({{"out", o.prompts}, {"prompts", n}});
  fmt::print("{}: {} prompts; answer them with {{\"id\", \"text\"}} lines and come back with --answers\n", o.prompts,
             n);
}

void define_nanovlms(CLI::App& app) {
  auto o = std::make_shared<TeacherArguments>();
  CLI::App* group = app.add_subcommand("nanovlms", "ShortDesc and LongDesc of NanoVLMs from human captions");
  group->require_subcommand(1);
  CLI::App* sub = group->add_subcommand("build", "write prompts for a teacher, read its answers, or do without one");
  sub->add_option("--coco", o->coco, "a COCO folder with annotations/captions_train2017.json");
  sub->add_option("--captions", o->captions, "a JSONL of {\"image\", \"captions\"}");
  sub->add_option("--teacher-jsonl", o->prompts, "write prompts for an outside teacher here");
  sub->add_option("--answers", o->answers, "the teacher's answers: a JSONL of {\"id\", \"text\"}");
  sub->add_flag("--template", o->from_template, "no teacher: join cleaned captions");
  sub->add_option("--style", o->style, "short (20 to 25 words) or long (60 to 70)");
  sub->add_option("--out", o->out, "the data set: a JSONL of {\"image\", \"captions\", \"style\", \"text\"}");
  sub->add_flag("--json", o->json, "the counts as one JSON object");
  sub->callback([o] { run_nanovlms(*o); });
}

}  // namespace

void define_data(CLI::App& app) {
  app.require_subcommand(1);
  define_scenes(app);
  define_one_scene(app);
  define_nanovlms(app);
  define_random_model(app);
}

}  // namespace galago::cli
