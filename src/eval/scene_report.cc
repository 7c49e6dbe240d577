// The results of the task `scenes` as JSON and as a table for people.
#include <fmt/format.h>

#include "eval/scenes.h"

namespace galago {
namespace {

Json facts_json(const FactScores& f) {
  return {{"shown", f.shown},
          {"named", f.named},
          {"right", f.right},
          {"counts_right", f.counts_right},
          {"colours_told", f.colours_told},
          {"colours_right", f.colours_right},
          {"perfect", f.perfect}};
}

Json ratios_json(const FactScores& f) {
  Json json = facts_json(f);
  json["recall"] = f.recall();
  json["precision"] = f.precision();
  json["count_accuracy"] = f.count_accuracy();
  json["colour_accuracy"] = f.colour_accuracy();
  json["perfect_share"] = f.pictures == 0 ? 0.0 : static_cast<double>(f.perfect) / static_cast<double>(f.pictures);
  return json;
}

Json nll_json(const NllSums& nll) {
  return {{"right", nll.right_per_token()},
          {"shuffled", nll.shuffled_per_token()},
          {"blank", nll.blank_per_token()},
          {"picture_gain", nll.shuffled_per_token() - nll.right_per_token()},
          {"tokens", nll.tokens}};
}

Json rouge_json(const Rouge& r) { return {{"rouge1", r.rouge1}, {"rouge2", r.rouge2}, {"rougeL", r.rougeL}}; }

Json mentions_json(const std::string& text) {
  Json list = Json::array();
  for (const Mention& m : parse_facts(text))
    list.push_back({{"kind", kind_id(scene_kinds()[static_cast<size_t>(m.kind)])},
                    {"count", m.count},
                    {"colour", colour_word(m.colour)}});
  return list;
}

// Model output may hold bytes that are no UTF-8, which JSON cannot carry.
std::string valid_utf8(const std::string& text) {
  Json json = text;
  return Json::parse(json.dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

using Row = std::vector<std::string>;

Row share_row(const std::string& what, int64_t part, int64_t all, const std::string& of, int64_t chance_part,
              int64_t chance_all) {
  auto percent = [](int64_t a, int64_t b) {
    return b == 0 ? std::string("-") : fmt::format("{:.1f} %", 100.0 * static_cast<double>(a) / static_cast<double>(b));
  };
  return {what, percent(part, all), percent(chance_part, chance_all), fmt::format("{} of {} {}", part, all, of)};
}

}  // namespace

Json result_to_json(const SceneResult& r) {
  Json json = {{"split", split_name(r.item.scene.split)},
               {"index", r.item.index},
               {"reference", r.item.reference},
               {"beginning", valid_utf8(r.beginning)},
               {"completion", valid_utf8(r.completion)},
               {"text", valid_utf8(r.text())},
               {"said", mentions_json(r.text())},
               {"facts", facts_json(r.facts)},
               {"rouge", rouge_json(r.rouge)}};
  if (!r.item.image_path.empty()) json["image"] = r.item.image_path;
  if (r.nll.tokens > 0) json["nll"] = nll_json(r.nll);
  if (r.nearest.index >= 0) json["nearest"] = {{"index", r.nearest.index}, {"rougeL", r.nearest.score.rougeL}};
  return json;
}

Json summary_to_json(const SceneEvaluation& e) {
  Json json = {
      {"items", e.results.size()},
      {"facts", ratios_json(e.facts)},
      {"chance", ratios_json(e.chance)},
      {"rouge", rouge_json(e.rouge)},
      {"nearest", rouge_json(e.nearest)},
      {"distinct1", e.distinct1},
      {"distinct2", e.distinct2},
      {"repetition", e.repetition},
      {"words",
       {{"mean", e.length.mean}, {"deviation", e.length.deviation}, {"min", e.length.min}, {"max", e.length.max}}},
      {"tokens_per_second", e.tokens_per_second},
      {"milliseconds_per_picture", e.milliseconds_per_picture},
      {"interrupted", e.interrupted}};
  if (e.nll.tokens > 0) json["nll"] = nll_json(e.nll);
  return json;
}

std::vector<Row> summary_table(const SceneEvaluation& e) {
  const FactScores &f = e.facts, &c = e.chance;
  auto number = [](double v) { return fmt::format("{:.3f}", v); };
  std::vector<Row> rows = {
      {"measure", "value", "chance", "note"},
      share_row("objects named (recall)", f.right, f.shown, "shown", c.right, c.shown),
      share_row("names right (precision)", f.right, f.named, "named", c.right, c.named),
      share_row("counts right", f.counts_right, f.right, "objects named", c.counts_right, c.right),
      share_row("colours right", f.colours_right, f.colours_told, "colours told", c.colours_right, c.colours_told),
      share_row("perfect texts", f.perfect, f.pictures, "pictures", c.perfect, c.pictures)};
  auto add = [&](const std::string& what, const std::string& value, const std::string& note) {
    rows.push_back({what, value, "", note});
  };
  if (e.nll.tokens > 0) {
    add("NLL, right picture", number(e.nll.right_per_token()), fmt::format("nats a token, {} tokens", e.nll.tokens));
    add("NLL, shuffled picture", number(e.nll.shuffled_per_token()), "");
    add("NLL, blank picture", number(e.nll.blank_per_token()), "");
    add("gain of the picture", number(e.nll.shuffled_per_token() - e.nll.right_per_token()), "shuffled - right");
  }
  auto rouge_text = [](const Rouge& r) { return fmt::format("{:.3f} {:.3f} {:.3f}", r.rouge1, r.rouge2, r.rougeL); };
  add("ROUGE-1 -2 -L", rouge_text(e.rouge), "F1 against the reference");
  add("  nearest training text", rouge_text(e.nearest), "1 = copied");
  add("distinct-1 -2", fmt::format("{:.3f} {:.3f}", e.distinct1, e.distinct2), "over all texts");
  add("repeated 3-grams", number(e.repetition), "mean share in a text");
  add("words a text", fmt::format("{:.1f}", e.length.mean), fmt::format("{} to {}", e.length.min, e.length.max));
  add("tokens a second", fmt::format("{:.1f}", e.tokens_per_second), "generation");
  add("picture", fmt::format("{:.1f} ms", e.milliseconds_per_picture), "prepare and encode");
  return rows;
}

}  // namespace galago
