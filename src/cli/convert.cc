// galago convert SRC DST: any readable model to one GGUF file, quantized if asked, or to a Hugging Face folder (DST
// without .gguf). Refuses to lose anything: a missing tensor, or one that the model would not read, stops it by name.
#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cpu/ops/panels.h"
#include "quant/quantize.h"
#include "quant/widen.h"
#include "runtime/checkpoint.h"

namespace galago::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  ModelFiles files;
  std::string target, type, vision_type, head_type, embedding_type, importance;
  std::vector<std::string> overrides;
  int threads = 0;
  bool json = false, allow_unknown = false, packed = false;
};

void check_all_read(const Options& o, const ModelSource& source) {
  std::vector<std::string> unread = unread_tensors(source);
  if (unread.empty()) return;
  std::string names;
  constexpr size_t kShown = 8;
  for (size_t i = 0; i < std::min(unread.size(), kShown); ++i) names += "\n  " + unread[i];
  if (unread.size() > kShown) names += fmt::format("\n  and {} more", unread.size() - kShown);
  if (!o.allow_unknown)
    throw invalid_input("{}: {} tensors that {} does not have. Use --allow-unknown to leave them out:{}", o.files.model,
                        unread.size(), source.model->family(), names);
  note(fmt::format("left out {} unknown tensors:{}", unread.size(), names));
}

bool changes_weights(const Options& o) {
  return !(o.type.empty() && o.vision_type.empty() && o.head_type.empty() && o.embedding_type.empty() &&
           o.overrides.empty());
}

QuantRecipe recipe_of(const Options& o) {
  QuantRecipe recipe = find_quant_recipe(o.type.empty() ? "f32" : o.type);
  if (!o.vision_type.empty()) recipe.vision = find_weight_format(o.vision_type);
  if (!o.embedding_type.empty()) recipe.embedding = find_weight_format(o.embedding_type);
  if (!o.head_type.empty()) recipe.head = find_weight_format(o.head_type);
  for (const std::string& text : o.overrides) recipe.overrides.push_back(parse_override(text));
  return recipe;
}

size_t total_bytes(const Weights& weights) {
  size_t n = 0;
  for (auto& [name, weight] : weights) n += weight->data.n_bytes();
  return n;
}

// The checkpoint on its way into other formats: what will be written, and the weights that are still needed for it.
class Conversion {
 public:
  Conversion(const Options& o, Checkpoint checkpoint)
      : checkpoint_(std::move(checkpoint)),
        pool_(o.threads),
        packed_(o.packed),
        bytes_before_(total_bytes(checkpoint_.weights)) {
    if (!o.importance.empty()) importance_ = Importance::read(o.importance);
    if (!changes_weights(o)) return;
    recipe_ = recipe_of(o);
    if (o.target.ends_with(".gguf"))
      if (auto wide = widened(*checkpoint_.model, *recipe_)) checkpoint_.model = wide;
    for (const WeightSpec& spec : checkpoint_.model->weights()) shapes_[spec.name] = spec.shape;
    rows_ = plan_quantization(*checkpoint_.model, checkpoint_.weights, *recipe_, importance_.has_value());
    for (const QuantRow& row : rows_) bytes_saved_ += bytes_of(row.name) - row.n_bytes;
  }

  const Model& model() const { return *checkpoint_.model; }
  const std::vector<QuantRow>& rows() const { return rows_; }
  size_t bytes_before() const { return bytes_before_; }
  size_t bytes_after() const { return bytes_before_ - bytes_saved_; }

  // One weight at a time: made, written, and let go of together with what it was made from.
  void write_gguf(const std::string& path) {
    if (!recipe_ && !packed_)
      return galago::write_gguf(path, model(), checkpoint_.weights, checkpoint_.tokenizer.get());
    PendingWeights pending;
    for (const auto& [name, weight] : checkpoint_.weights)
      pending[name] = {weight->data.dtype(), shape_of(*weight), [this, name] { return take(name); }};
    for (QuantRow& row : rows_) pending[row.name] = {row.type, row.shape, [this, &row] { return quantized(row); }};
    if (packed_) add_packed(pending);
    const uint32_t file_type = recipe_ ? file_type_of(*recipe_) : gguf_file_type(most_bytes(checkpoint_.weights));
    galago::write_gguf(path, model(), pending, file_type, checkpoint_.tokenizer.get());
  }

  void write_folder(const std::string& path) {
    for (QuantRow& row : rows_) {
      Tensor stored = quantized(row);
      checkpoint_.weights[row.name] = std::make_shared<Weight>(Weight{row.name, std::move(stored)});
    }
    fs::create_directories(path);
    save_checkpoint(path, model(), checkpoint_.weights, checkpoint_.tokenizer.get());
  }

 private:
  // Matrices in blocks are written once more as the kernels read them.
  static void add_packed(PendingWeights& pending) {
    for (auto& [name, weight] : pending)
      if (info(weight.type).quantized() && weight.shape.elements() > 0) {
        weight.pack = cpu::pack_weight;
        weight.packed_bytes = cpu::packed_bytes(weight.type, weight.shape);
      }
  }
  size_t bytes_of(const std::string& name) const { return checkpoint_.weights.find(name)->second->data.n_bytes(); }
  Shape shape_of(const Weight& weight) const {
    auto wanted = shapes_.find(weight.name);
    return wanted == shapes_.end() ? weight.data.shape() : wanted->second;
  }
  Tensor take(const std::string& name) {
    auto weight = checkpoint_.weights.extract(name).mapped();
    return with_zeros(weight->data, shape_of(*weight));
  }
  Tensor quantized(QuantRow& row) {
    Tensor original = take(row.name);
    Tensor stored = quantize_one(original, row, importance_ ? &*importance_ : nullptr, &pool_);
    if (stored.bytes() != original.bytes()) release_pages({original.bytes(), original.n_bytes()});
    return stored;
  }

  Checkpoint checkpoint_;
  ThreadPool pool_;
  bool packed_;
  std::optional<QuantRecipe> recipe_;  // nullopt: the weights stay as they are
  std::optional<Importance> importance_;
  std::map<std::string, Shape, std::less<>> shapes_;  // of the model that is written, where weights change
  std::vector<QuantRow> rows_;
  size_t bytes_before_, bytes_saved_ = 0;  // the latter modulo 2^64: a weight may grow
};

Json rows_json(const std::vector<QuantRow>& rows) {
  Json list = Json::array();
  for (const QuantRow& row : rows)
    list.push_back({{"name", row.name},
                    {"type", info(row.type).name},
                    {"wanted", info(row.wanted).name},
                    {"bytes", row.n_bytes},
                    {"relative_rms_error", row.error}});
  return list;
}

void print_rows(const std::vector<QuantRow>& rows) {
  std::vector<std::vector<std::string>> table{{"TENSOR", "SHAPE", "TYPE", "ERROR", ""}};
  for (const QuantRow& row : rows) {
    std::string remark =
        row.type == row.wanted ? "" : fmt::format("rows of {} do not fit {}", row.shape.last(), info(row.wanted).name);
    table.push_back(
        {row.name, row.shape.to_string(), std::string(info(row.type).name), fmt::format("{:.2e}", row.error), remark});
  }
  if (!rows.empty()) print_table(table);
}

void check_target(const Options& o) {
  std::error_code none;
  if (fs::exists(o.target, none) && fs::equivalent(o.files.model, o.target, none))
    throw usage_error("{}: source and target are the same; choose another name for the result", o.target);
}

void check_options(const Options& o) {
  recipe_of(o);  // a wrong name should not wait for the model
  if (o.packed && !o.target.ends_with(".gguf"))
    throw usage_error("--packed: only a .gguf file can hold packed weights");
  if (!o.importance.empty() && !changes_weights(o))
    throw usage_error("--imatrix without --type: nothing to quantize with it");
}

void run(const Options& o) {
  check_options(o);
  check_target(o);
  check_all_read(o, open_model(o.files));
  Conversion conversion(o, load_checkpoint(o.files));
  o.target.ends_with(".gguf") ? conversion.write_gguf(o.target) : conversion.write_folder(o.target);
  if (o.json)
    return print_json({{"source", o.files.model},
                       {"out", o.target},
                       {"family", conversion.model().family()},
                       {"bytes_before", conversion.bytes_before()},
                       {"bytes_after", conversion.bytes_after()},
                       {"peak_memory_mb", peak_memory_mb()},
                       {"tensors", rows_json(conversion.rows())}});
  print_rows(conversion.rows());
  fmt::print("{}: weights {:.1f} MB, before {:.1f} MB\n", o.target, static_cast<double>(conversion.bytes_after()) / 1e6,
             static_cast<double>(conversion.bytes_before()) / 1e6);
}

std::string type_help() {
  std::string names;
  for (std::string_view name : quant_recipe_names()) names += fmt::format(" {}", name);
  return "format or mix for the matrices; without it they stay as they are. One of:" + names;
}

}  // namespace

void define_convert(CLI::App& app) {
  auto o = std::make_shared<Options>();
  add_model_options(app, o->files);
  app.add_option("DST", o->target, "a .gguf file, or a folder for a Hugging Face checkpoint in float32")->required();
  app.add_option("--type", o->type, type_help());
  app.add_option("--vision-type", o->vision_type, "another format for vision tower and projector");
  app.add_option("--head-type", o->head_type, "another format for the output matrix");
  app.add_option("--embedding-type", o->embedding_type, "another format for the token embeddings");
  app.add_option("--tensor-type", o->overrides, "REGEX=FORMAT for weights whose name matches; may be repeated");
  app.add_option("--imatrix", o->importance, "importance matrix of llama.cpp (.gguf or .dat) for the quantizers");
  app.add_flag("--packed", o->packed,
               "write matrices in blocks a second time, as the cpu's kernels read them: twice the size, nothing to do "
               "when the file is loaded (.gguf only)");
  app.add_flag("--allow-unknown", o->allow_unknown, "leave out tensors that the model does not have");
  app.add_option("-t,--threads", o->threads, "0 = one per processor");
  app.add_flag("--json", o->json, "sizes and errors as one JSON object");
  app.callback([o] { run(*o); });
}

}  // namespace galago::cli
