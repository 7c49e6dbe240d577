#include "formats/torch_state.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>

#include "base/checked.h"
#include "base/error.h"
#include "formats/printable.h"

namespace galago {
namespace {

using Kind = PickleValue::Kind;

constexpr int kMaxDepth = 256;
constexpr size_t kMaxVisits = 8u << 20;  // of one walk: shared values are visited once a reference
constexpr size_t kMaxTensors = 1u << 18;
constexpr size_t kMaxNameBytes = 1024;
constexpr size_t kMaxMetadata = 4096;  // entries; the rest is left out

constexpr size_t kMaxMetadataText = 4096;
constexpr uint64_t kMaxSize = std::numeric_limits<int64_t>::max();
constexpr uint64_t kMaxExpansion = 16;     // a view may be this many times larger than its storage ...
constexpr uint64_t kSmallView = 1u << 16;  // ... or have this many elements
constexpr std::string_view kStateKeys[] = {"state_dict", "model", "model_state_dict", "module", "net", "ema", "params"};

const TorchType* find_storage_type(std::string_view name) {
  auto found = std::ranges::find(kTorchTypes, name, &TorchType::storage);
  return found == std::end(kTorchTypes) ? nullptr : found;
}

const TorchType* find_dtype_name(std::string_view name) {
  auto found = std::ranges::find(kTorchTypes, name, &TorchType::dtype_name);
  return found == std::end(kTorchTypes) ? nullptr : found;
}

// A reference to a storage: ("storage", class, key, place, numel) and, in legacy files, (view key, offset, size).
struct StorageReference {
  std::string_view key;
  std::string_view type_name;
  uint64_t numel;
  uint64_t view_offset;
};

std::optional<uint64_t> as_count(const PickleValue& value) {
  if (value.kind != Kind::Int || value.integer < 0) return std::nullopt;
  return static_cast<uint64_t>(value.integer);
}

// None for the references to source text ("module", ...) that legacy files hold.
std::optional<StorageReference> storage_reference(const Pickle& pickle, const PickleValue& persistent,
                                                  const std::string& subject) {
  const PickleValue& id = pickle.at(persistent.items[0]);
  auto item = [&](size_t i) -> const PickleValue& { return pickle.at(id.items[i]); };
  bool is_tuple = id.is_list() && !id.items.empty() && item(0).kind == Kind::Text;
  if (is_tuple && item(0).text == "module") return std::nullopt;
  bool is_storage = is_tuple && item(0).text == "storage" && (id.items.size() == 5 || id.items.size() == 6);
  if (!is_storage || item(1).kind != Kind::Global || item(2).kind != Kind::Text || !as_count(item(4)))
    throw invalid_input("{}: a storage is described in an unknown way; expected (storage, class, key, place, number)",
                        subject);
  StorageReference reference{item(2).text, item(1).text, *as_count(item(4)), 0};
  if (id.items.size() == 6 && item(5).kind != Kind::None) {
    const PickleValue& view = item(5);
    auto offset = view.is_list() && view.items.size() == 3 ? as_count(pickle.at(view.items[1])) : std::nullopt;
    if (!offset)
      throw invalid_input("{}: the view of storage {} is not (key, offset, size)", subject, printable(reference.key));
    reference.view_offset = *offset;
  }
  return reference;
}

TorchStorage storage_of(const StorageReference& reference, const std::string& subject) {
  bool untyped = reference.type_name == "torch.storage.UntypedStorage" || reference.type_name == "torch.UntypedStorage";
  const TorchType* type = untyped ? nullptr : find_storage_type(reference.type_name);
  if (!untyped && !type)
    throw unsupported("{}: storage {} is a {}, which is not known", subject, printable(reference.key),
                      printable(reference.type_name));
  auto n_bytes = checked_mul(reference.numel, type ? type->bytes : 1);
  if (!n_bytes || *n_bytes > kMaxSize)
    throw invalid_input("{}: storage {} of {} numbers is too large", subject, printable(reference.key),
                        reference.numel);
  return {type, reference.numel, *n_bytes};
}

// Visits what the state dict holds and writes down tensors and scalars under their dotted names.
class StateWalker {
 public:
  StateWalker(const Pickle& pickle, const TorchStorages& storages, const std::string& subject)
      : pickle_(pickle), storages_(storages), subject_(subject) {}

  TorchState run(std::string_view key) {
    TorchState state;
    const PickleValue& root = pickle_.at(pickle_.root());
    if (root.kind != Kind::Dict && !root.is_list() && !is_tensor(root)) throw no_dict(root);
    const PickleValue& dict = choose(root, key, state.key);
    collect_metadata(root, "", 0, state.metadata);
    visits_ = 0;
    collect_tensors(dict, "", 0, state.records);
    strip_wrappers(state.records);
    check_names(state.records);
    return state;
  }

 private:
  Error no_dict(const PickleValue& root) const {
    if (root.kind == Kind::Call)
      return unsupported(
          "{}: holds a whole object of class {}, not a state dict; in Python: torch.save("
          "model.state_dict(), ...)",
          subject_, printable(root.text));
    return invalid_input("{}: holds no dictionary of tensors", subject_);
  }

  static bool is_tensor(const PickleValue& value) {
    return value.kind == Kind::Call &&
           (value.text.starts_with("torch._utils._rebuild_") || value.text == "torch._tensor._rebuild_from_type_v2");
  }

  bool holds_tensors(const PickleValue& dict) const {
    if (dict.kind != Kind::Dict) return false;
    for (size_t i = 1; i < dict.items.size(); i += 2)
      if (is_tensor(pickle_.at(dict.items[i]))) return true;
    return false;
  }

  const PickleValue& choose(const PickleValue& root, std::string_view key, std::string& found_key) const {
    if (!key.empty()) return follow(root, key, found_key);
    if (holds_tensors(root)) return root;
    for (std::string_view candidate : kStateKeys) {
      const PickleValue* dict = pickle_.find(root, candidate);
      if (!dict || !holds_tensors(*dict)) continue;
      found_key = candidate;
      return *dict;
    }
    return root;
  }

  const PickleValue& follow(const PickleValue& root, std::string_view key, std::string& found_key) const {
    const PickleValue* at = &root;
    found_key = key;
    while (at && !key.empty()) {
      size_t dot = std::min(key.find('.'), key.size());
      at = pickle_.find(*at, key.substr(0, dot));
      key.remove_prefix(std::min(dot + 1, key.size()));
    }
    if (!at || at->kind != Kind::Dict)
      throw not_found("{}: no dictionary \"{}\"; at the top are: {}", subject_, printable(found_key), top_keys(root));
    return *at;
  }

  std::string top_keys(const PickleValue& root) const {
    std::string keys;
    if (root.kind != Kind::Dict) return keys;
    for (size_t i = 0; i < root.items.size() && keys.size() < 200; i += 2)
      if (auto key = key_text(pickle_.at(root.items[i]))) keys += (keys.empty() ? "" : ", ") + printable(*key, 40);
    return keys;
  }

  static std::optional<std::string> key_text(const PickleValue& key) {
    if (key.kind == Kind::Text) return std::string(key.text);
    if (key.kind == Kind::Int) return std::to_string(key.integer);
    return std::nullopt;
  }

  // Calls `visit(name, value)` for each element that can be named; a file with cycles or too much depth is refused.
  template <class Visit>
  void for_each_element(const PickleValue& value, const std::string& name, int depth, Visit&& visit) {
    if (depth > kMaxDepth || visits_ > kMaxVisits)
      throw invalid_input("{}: dictionaries are nested without end (more than {} levels)", subject_, kMaxDepth);
    bool is_dict = value.kind == Kind::Dict;
    for (size_t i = 0; i < value.items.size(); i += is_dict ? 2 : 1) {
      ++visits_;
      auto key = is_dict ? key_text(pickle_.at(value.items[i])) : std::to_string(i);
      if (!key || name.size() + key->size() > kMaxNameBytes) continue;
      visit(name.empty() ? *key : name + "." + *key, pickle_.at(value.items[is_dict ? i + 1 : i]));
    }
  }

  void collect_tensors(const PickleValue& value, const std::string& name, int depth, std::vector<TorchRecord>& out) {
    if (is_tensor(value)) out.push_back(record(name, value, 0));
    if (out.size() > kMaxTensors) throw invalid_input("{}: more than {} tensors", subject_, kMaxTensors);
    if (value.kind != Kind::Dict && !value.is_list()) return;
    for_each_element(value, name, depth,
                     [&](const std::string& at, const PickleValue& e) { collect_tensors(e, at, depth + 1, out); });
  }

  // Scalars in dictionaries only: lists of an optimizer's state say nothing to a reader.
  void collect_metadata(const PickleValue& value, const std::string& name, int depth,
                        std::map<std::string, std::string>& out) {
    if (out.size() >= kMaxMetadata) return;
    if (auto text = scalar_text(value)) out[name] = *text;
    if (value.kind != Kind::Dict) return;
    for_each_element(value, name, depth,
                     [&](const std::string& at, const PickleValue& e) { collect_metadata(e, at, depth + 1, out); });
  }

  static std::optional<std::string> scalar_text(const PickleValue& value) {
    switch (value.kind) {
      case Kind::Bool:
        return value.integer ? "true" : "false";
      case Kind::Int:
        return std::to_string(value.integer);
      case Kind::Float:
        return fmt::format("{}", value.number);
      case Kind::Text:
        return std::string(value.text.substr(0, kMaxMetadataText));
      default:
        return std::nullopt;
    }
  }

  // One tensor, from the call that would build it. A parameter or a subclass wraps another such call.
  TorchRecord record(const std::string& name, const PickleValue& call, int depth) const {
    const std::vector<PickleId>& args = pickle_.at(call.items[0]).items;
    if (depth > kMaxDepth) throw invalid_input("{}: tensor {} is wrapped without end", subject_, printable(name));
    bool is_parameter = call.text.starts_with("torch._utils._rebuild_parameter") && !args.empty();
    if (is_parameter && is_tensor(pickle_.at(args[0]))) return record(name, pickle_.at(args[0]), depth + 1);
    if (call.text == "torch._utils._rebuild_tensor") return strided(name, args, 4, nullptr);
    if (call.text == "torch._utils._rebuild_tensor_v2") return strided(name, args, 6, nullptr);
    if (call.text == "torch._utils._rebuild_tensor_v3" && args.size() >= 7)
      return strided(name, args, 7, &pickle_.at(args[6]));
    if (call.text == "torch._tensor._rebuild_from_type_v2" && args.size() == 4) return subclass(name, args, depth);
    return {.name = name, .type_name = std::string(call.text)};
  }

  // (function, type, its arguments, state)
  TorchRecord subclass(const std::string& name, const std::vector<PickleId>& args, int depth) const {
    const PickleValue &function = pickle_.at(args[0]), &arguments = pickle_.at(args[2]);
    PickleValue call{.kind = Kind::Call, .text = function.text, .items = {args[2]}};
    bool known = function.kind == Kind::Global && arguments.kind == Kind::Tuple && is_tensor(call);
    return known ? record(name, call, depth + 1) : TorchRecord{.name = name, .type_name = "a tensor subclass"};
  }

  // (storage, offset, sizes, strides, ...)
  TorchRecord strided(const std::string& name, const std::vector<PickleId>& args, size_t n_args,
                      const PickleValue* dtype) const {
    const PickleValue* source = args.size() >= n_args ? &pickle_.at(args[0]) : nullptr;
    if (!source || source->kind != Kind::Persistent)
      throw invalid_input("{}: tensor {} has no storage; expected (storage, offset, sizes, strides ...)", subject_,
                          printable(name));
    auto reference = storage_reference(pickle_, *source, subject_);
    if (!reference) throw invalid_input("{}: tensor {} has no storage", subject_, printable(name));
    TorchRecord record{.name = name, .storage = reference->key};
    const TorchStorage& storage = storages_.at(reference->key);
    const TorchType* type = dtype ? find_dtype_name(dtype->text) : storage.type;
    record.type_name = type ? type->dtype_name : dtype ? dtype->text : reference->type_name;
    record.type = type && type->dtype ? type : nullptr;
    read_layout(record, args, reference->view_offset);
    if (type) check_bounds(record, storage.n_bytes / type->bytes);
    return record;
  }

  void read_layout(TorchRecord& record, const std::vector<PickleId>& args, uint64_t view_offset) const {
    auto offset = as_count(pickle_.at(args[1]));
    auto total = offset ? checked_add(*offset, view_offset) : std::nullopt;
    if (!total || *total > kMaxSize)
      throw invalid_input("{}: tensor {}: the offset is negative or too large", subject_, printable(record.name));
    record.offset = *total;
    std::vector<int64_t> sizes = numbers(record.name, "sizes", pickle_.at(args[2]));
    record.strides = numbers(record.name, "strides", pickle_.at(args[3]));
    if (sizes.size() != record.strides.size())
      throw invalid_input("{}: tensor {} has {} sizes but {} strides", subject_, printable(record.name), sizes.size(),
                          record.strides.size());
    check_product(record.name, sizes);
    record.shape = Shape(sizes);
  }

  std::vector<int64_t> numbers(const std::string& name, std::string_view what, const PickleValue& list) const {
    if (!list.is_list()) throw invalid_input("{}: tensor {}: {} are no tuple", subject_, printable(name), what);
    if (list.items.size() > Shape::kMaxRank)
      throw unsupported("{}: tensor {} has {} dimensions; at most {} are supported", subject_, printable(name),
                        list.items.size(), Shape::kMaxRank);
    std::vector<int64_t> result;
    for (PickleId id : list.items) {
      auto value = as_count(pickle_.at(id));
      if (!value)
        throw invalid_input("{}: tensor {}: {} are not whole numbers from 0", subject_, printable(name), what);
      result.push_back(static_cast<int64_t>(*value));
    }
    return result;
  }

  // Zeros count as ones, so that later products of dimensions cannot overflow in any order.
  void check_product(const std::string& name, const std::vector<int64_t>& sizes) const {
    uint64_t product = 16;  // bytes of the widest number
    for (int64_t size : sizes) {
      auto next = checked_mul(product, std::max<uint64_t>(static_cast<uint64_t>(size), 1));
      if (!next || *next > kMaxSize)
        throw invalid_input("{}: tensor {}: shape is too large", subject_, printable(name));
      product = *next;
    }
  }

  // The last element must lie inside the storage of `numel` numbers.
  void check_bounds(const TorchRecord& record, uint64_t numel) const {
    auto elements = static_cast<uint64_t>(record.shape.elements());
    if (elements == 0) return;
    std::optional<uint64_t> last = record.offset;
    for (int axis = 0; axis < record.shape.rank() && last; ++axis) {
      auto steps = static_cast<uint64_t>(record.shape[axis] - 1);
      auto distance = checked_mul(steps, static_cast<uint64_t>(record.strides[axis]));
      last = distance ? checked_add(*last, *distance) : std::nullopt;
    }
    if (!last || *last >= numel)
      throw invalid_input("{}: tensor {} of shape {} reaches past the end of its storage of {} numbers", subject_,
                          printable(record.name), record.shape.to_string(), numel);
    if (elements > kSmallView && elements / kMaxExpansion > numel)
      throw invalid_input("{}: tensor {} of shape {} repeats its {} numbers too often", subject_,
                          printable(record.name), record.shape.to_string(), numel);
  }

  static void strip_wrappers(std::vector<TorchRecord>& records) {
    for (std::string_view prefix : {"_orig_mod.", "module.", "_orig_mod."}) {
      auto has_it = [&](const TorchRecord& r) { return r.name.starts_with(prefix) && r.name.size() > prefix.size(); };
      if (records.empty() || !std::ranges::all_of(records, has_it)) continue;
      for (TorchRecord& record : records) record.name.erase(0, prefix.size());
    }
  }

  void check_names(const std::vector<TorchRecord>& records) const {
    std::set<std::string_view> seen;
    for (const TorchRecord& record : records) {
      if (!is_plain_name(record.name))
        throw invalid_input("{}: tensor name \"{}\": expected printable ASCII characters", subject_,
                            printable(record.name));
      if (!seen.insert(record.name).second) throw invalid_input("{}: tensor {} occurs twice", subject_, record.name);
    }
  }

  const Pickle& pickle_;
  const TorchStorages& storages_;
  const std::string& subject_;
  size_t visits_ = 0;
};

}  // namespace

TorchStorages read_torch_storages(const Pickle& pickle, const std::string& subject) {
  TorchStorages storages;
  for (const PickleValue& value : pickle.values()) {
    if (value.kind != Kind::Persistent) continue;
    auto reference = storage_reference(pickle, value, subject);
    if (!reference) continue;
    TorchStorage storage = storage_of(*reference, subject);
    auto [found, is_new] = storages.emplace(reference->key, storage);
    if (!is_new && (found->second.type != storage.type || found->second.numel != storage.numel))
      throw invalid_input("{}: storage {} is described in two different ways", subject, printable(reference->key));
  }
  return storages;
}

TorchState read_torch_state(const Pickle& pickle, const TorchStorages& storages, const std::string& subject,
                            std::string_view key) {
  return StateWalker(pickle, storages, subject).run(key);
}

}  // namespace galago
