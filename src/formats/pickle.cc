#include "formats/pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "formats/byte_reader.h"
#include "formats/printable.h"

namespace galago {
namespace {

using Kind = PickleValue::Kind;

constexpr uint64_t kMaxBytes = 256u << 20;
constexpr size_t kMaxValues = 4u << 20;     // also of the stack and of the memo; a million tensors need fewer
constexpr size_t kMaxElements = 16u << 20;  // of all containers together
constexpr PickleId kNone = 0, kFalse = 1, kTrue = 2, kEmptyTuple = 3;  // made once: an opcode of one byte asks for them

// Modules of which no checkpoint needs anything, and single functions of which the same is true.
constexpr std::string_view kHostileModules[] = {
    "os",     "posix",  "nt",     "sys",     "subprocess", "runpy",  "socket",     "shutil",          "importlib",
    "pty",    "ctypes", "pickle", "_pickle", "marshal",    "code",   "webbrowser", "platform",        "asyncio",
    "timeit", "bdb",    "pdb",    "pip",     "requests",   "urllib", "http",       "multiprocessing",
};
constexpr std::string_view kHostileBuiltins[] = {"eval",       "exec",  "compile",    "open",    "execfile", "getattr",
                                                 "__import__", "apply", "breakpoint", "globals", "setattr",  "vars"};

bool is_hostile(std::string_view module, std::string_view name) {
  if (module == "builtins" || module == "__builtin__") return std::ranges::count(kHostileBuiltins, name) > 0;
  return std::ranges::count(kHostileModules, module.substr(0, module.find('.'))) > 0;
}

bool makes_dict(std::string_view name) {
  return name == "collections.OrderedDict" || name == "collections.defaultdict" || name == "collections.Counter" ||
         name == "builtins.dict" || name == "__builtin__.dict";
}

bool makes_set(std::string_view name) {
  return name == "builtins.set" || name == "__builtin__.set" || name == "builtins.frozenset" ||
         name == "__builtin__.frozenset";
}

}  // namespace

// One parse. The opcodes are in five groups; each group's function returns false for an opcode that is not its own.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> bytes, const std::string& subject) : in_(bytes, subject), subject_(subject) {
    for (Kind kind : {Kind::None, Kind::Bool, Kind::Bool, Kind::Tuple}) make({.kind = kind});
    pickle_.values_[kTrue].integer = 1;
  }

  Pickle run() {
    do {
      opcode_ = in_.read<uint8_t>("a pickle opcode");
      if (in_.position() > kMaxBytes) fail("the pickle is longer than 256 MiB");
    } while (step());
    pickle_.root_ = pop();
    pickle_.n_bytes_ = in_.position();
    return std::move(pickle_);
  }

 private:
  bool step() {
    if (opcode_ == '.') return false;
    bool known = read_number() || read_text() || move_stack() || build_container() || call();
    if (!known) fail("an opcode that no model file needs, or no pickle at all");
    return true;
  }

  [[noreturn]] void fail(std::string_view why) const {
    throw invalid_input("{}: pickle opcode 0x{:02x} at byte {}: {}", subject_, opcode_, in_.position() - 1, why);
  }

  // Values and the stack.

  PickleId make(PickleValue value) {
    if (pickle_.values_.size() >= kMaxValues) fail("more than 4 Mi values");
    charge(value.items.size());
    pickle_.values_.push_back(std::move(value));
    return static_cast<PickleId>(pickle_.values_.size() - 1);
  }

  void charge(size_t elements) {
    n_elements_ += elements;
    if (n_elements_ > kMaxElements) fail("containers of more than 16 Mi elements");
  }

  void push(PickleId id) {
    if (stack_.size() >= kMaxValues) fail("the stack is too deep");
    stack_.push_back(id);
  }
  void push(PickleValue value) { push(make(std::move(value))); }
  void push_int(int64_t value) { push({.kind = Kind::Int, .integer = value}); }

  PickleValue& at(PickleId id) { return pickle_.values_[id]; }

  PickleId top() {
    if (stack_.size() <= fence()) fail("the stack is empty");
    return stack_.back();
  }
  PickleId pop() {
    PickleId id = top();
    stack_.pop_back();
    return id;
  }
  size_t fence() const { return marks_.empty() ? 0 : marks_.back(); }

  // What was pushed since the last mark.
  std::vector<PickleId> pop_to_mark() {
    if (marks_.empty()) fail("no mark on the stack");
    auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleId> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }
  std::vector<PickleId> pop_many(size_t n) {
    std::vector<PickleId> items(n);
    for (size_t i = n; i-- > 0;) items[i] = pop();
    return items;
  }

  // Opcodes.

  bool read_number() {
    switch (opcode_) {
      case 0x80:
        check_protocol(in_.read<uint8_t>("a protocol number"));
        return true;
      case 0x95:
        in_.read<uint64_t>("a frame length");
        return true;
      case 'N':
        push(kNone);
        return true;
      case 0x88:
        push(kTrue);
        return true;
      case 0x89:
        push(kFalse);
        return true;
      case 'K':
        push_int(in_.read<uint8_t>("a number"));
        return true;
      case 'M':
        push_int(in_.read<uint16_t>("a number"));
        return true;
      case 'J':
        push_int(in_.read<int32_t>("a number"));
        return true;
      case 0x8A:
        push_long(in_.read<uint8_t>("a length"));
        return true;
      case 0x8B:
        push_long(in_.read<uint32_t>("a length"));
        return true;
      case 'G':
        push({.kind = Kind::Float, .number = read_big_endian_double()});
        return true;
      default:
        return false;
    }
  }

  void check_protocol(int version) const {
    if (version < 2 || version > 5) fail(fmt::format("protocol {}; expected 2 to 5", version));
  }

  void push_long(uint64_t n) {
    std::string_view bytes = take(n);
    if (n > 8) return push({.kind = Kind::BigInt, .text = bytes});
    int64_t value = n > 0 && static_cast<signed char>(bytes.back()) < 0 ? -1 : 0;
    if (n > 0) std::memcpy(&value, bytes.data(), n);
    push_int(value);
  }

  double read_big_endian_double() { return std::bit_cast<double>(__builtin_bswap64(in_.read<uint64_t>("a number"))); }

  bool read_text() {
    switch (opcode_) {
      case 0x8C:
      case 'U':
      case 'C':
        push_text(in_.read<uint8_t>("a length"));
        return true;
      case 'X':
      case 'T':
      case 'B':
        push_text(in_.read<uint32_t>("a length"));
        return true;
      case 0x8D:
      case 0x8E:
        push_text(in_.read<uint64_t>("a length"));
        return true;
      default:
        return false;
    }
  }

  std::string_view take(uint64_t n) {
    auto bytes = in_.take(n, "a string");
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void push_text(uint64_t n) { push({.kind = Kind::Text, .text = take(n)}); }

  bool move_stack() {
    switch (opcode_) {
      case '(':
        push_mark();
        return true;
      case '0':
        pop_or_unmark();
        return true;
      case '1':
        pop_to_mark();
        return true;
      case '2':
        push(top());
        return true;
      case 'q':
        remember(in_.read<uint8_t>("a memo index"));
        return true;
      case 'r':
        remember(in_.read<uint32_t>("a memo index"));
        return true;
      case 0x94:
        remember(static_cast<uint32_t>(memo_.size()));
        return true;
      case 'h':
        recall(in_.read<uint8_t>("a memo index"));
        return true;
      case 'j':
        recall(in_.read<uint32_t>("a memo index"));
        return true;
      default:
        return false;
    }
  }

  void push_mark() {
    if (marks_.size() >= kMaxValues) fail("too many marks");
    marks_.push_back(stack_.size());
  }

  void pop_or_unmark() {
    if (!marks_.empty() && stack_.size() == marks_.back())
      marks_.pop_back();
    else
      pop();
  }

  void remember(uint32_t index) {
    memo_[index] = top();
    if (memo_.size() > kMaxValues) fail("the memo is too large");
  }

  void recall(uint32_t index) {
    auto found = memo_.find(index);
    if (found == memo_.end()) fail(fmt::format("memo {} was never set", index));
    push(found->second);
  }

  bool build_container() {
    switch (opcode_) {
      case ')':
        push(kEmptyTuple);
        return true;
      case 0x85:
        push({.kind = Kind::Tuple, .items = pop_many(1)});
        return true;
      case 0x86:
        push({.kind = Kind::Tuple, .items = pop_many(2)});
        return true;
      case 0x87:
        push({.kind = Kind::Tuple, .items = pop_many(3)});
        return true;
      case 't':
        push({.kind = Kind::Tuple, .items = pop_to_mark()});
        return true;
      case ']':
        push({.kind = Kind::List});
        return true;
      case '}':
        push({.kind = Kind::Dict});
        return true;
      case 0x8F:
        push({.kind = Kind::Set});
        return true;
      case 'l':
        push({.kind = Kind::List, .items = pop_to_mark()});
        return true;
      case 'd':
        push({.kind = Kind::Dict, .items = paired(pop_to_mark())});
        return true;
      case 0x91:
        push({.kind = Kind::Set, .items = pop_to_mark()});
        return true;
      case 's':
        add_to(Kind::Dict, pop_many(2));
        return true;
      case 'u':
        add_to(Kind::Dict, paired(pop_to_mark()));
        return true;
      case 'a':
        add_to(Kind::List, pop_many(1));
        return true;
      case 'e':
        add_to(Kind::List, pop_to_mark());
        return true;
      case 0x90:
        add_to(Kind::Set, pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  std::vector<PickleId> paired(std::vector<PickleId> items) const {
    if (items.size() % 2 != 0) fail("a key without a value");
    return items;
  }

  // Into the container on top of the stack. Objects of unknown classes take what they are given and forget it.
  void add_to(Kind kind, const std::vector<PickleId>& items) {
    PickleValue& target = at(top());
    if (target.kind == Kind::Call) return;
    if (target.kind != kind) fail("the value on the stack is no container for this");
    charge(items.size());
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  bool call() {
    switch (opcode_) {
      case 'c':
        push_global_lines();
        return true;
      case 0x93:
        push_global_from_stack();
        return true;
      case 'R':
      case 0x81:
        call_with(pop());
        return true;
      case 0x92:
        pop(), call_with(pop());
        return true;  // keyword arguments are left out
      case 'b':
        pop(), top();
        return true;  // BUILD: the state of an object that does not exist
      case 'Q':
        push({.kind = Kind::Persistent, .items = {pop()}});
        return true;
      default:
        return false;
    }
  }

  std::string_view take_line() {
    const size_t kMaxLine = 4096;
    std::string_view line = take(0);
    while (take(1) != "\n") {
      line = {line.data(), line.size() + 1};
      if (line.size() > kMaxLine) fail("a name of more than 4096 bytes");
    }
    return line;
  }

  void push_global_lines() {
    std::string_view module = take_line();
    push_global(module, take_line());
  }

  void push_global_from_stack() {
    PickleId name = pop(), module = pop();
    if (at(name).kind != Kind::Text || at(module).kind != Kind::Text) fail("a global whose name is no text");
    push_global(at(module).text, at(name).text);
  }

  void push_global(std::string_view module, std::string_view name) {
    if (is_hostile(module, name))
      throw invalid_input("{}: refused: it asks to call {}.{}, which no model needs; the file is an attack or no model",
                          subject_, printable(module, 64), printable(name, 64));
    std::string full = fmt::format("{}.{}", module, name);
    push({.kind = Kind::Global, .text = *pickle_.names_.insert(std::move(full)).first});
  }

  void call_with(PickleId arguments) {
    PickleId callee = pop();
    if (at(arguments).kind != Kind::Tuple) fail("the arguments are no tuple");
    bool is_global = at(callee).kind == Kind::Global;
    std::string_view name = is_global ? at(callee).text : "a value that is not a function";
    const std::vector<PickleId>& args = at(arguments).items;
    if (makes_dict(name)) return push(dict_from(args));
    if (makes_set(name)) return push({.kind = Kind::Set, .items = args.empty() ? args : at(args[0]).items});
    bool same_as_argument = !args.empty() && (name == "torch.Size" || name == "_codecs.encode" ||
                                              name == "torch.jit._pickle.restore_type_tag");  // C++ torch's
    if (same_as_argument) return push(args[0]);
    push({.kind = Kind::Call, .text = name, .items = {arguments}});
  }

  // OrderedDict(), OrderedDict([(key, value), ...]), Counter({...}), defaultdict(factory, {...}).
  PickleValue dict_from(const std::vector<PickleId>& args) {
    PickleValue dict{.kind = Kind::Dict};
    for (PickleId id : args) {
      const PickleValue& arg = at(id);
      if (arg.kind == Kind::Dict) dict.items.insert(dict.items.end(), arg.items.begin(), arg.items.end());
      if (arg.kind == Kind::List) append_pairs(dict.items, arg.items);
      if (dict.items.size() > kMaxElements) fail("a dictionary is too large");
    }
    return dict;
  }

  void append_pairs(std::vector<PickleId>& items, const std::vector<PickleId>& pairs) {
    for (PickleId id : pairs) {
      const PickleValue& pair = at(id);
      if (!pair.is_list() || pair.items.size() != 2) fail("a dictionary made from a list that holds no pairs");
      items.insert(items.end(), pair.items.begin(), pair.items.end());
    }
  }

  ByteReader in_;
  const std::string& subject_;
  Pickle pickle_;
  std::vector<PickleId> stack_;
  std::vector<size_t> marks_;
  std::map<uint32_t, PickleId> memo_;
  size_t n_elements_ = 0;
  uint8_t opcode_ = 0;
};

Pickle Pickle::parse(std::span<const std::byte> bytes, const std::string& subject) {
  return PickleMachine(bytes, subject).run();
}

const PickleValue* Pickle::find(const PickleValue& dict, std::string_view key) const {
  if (dict.kind != Kind::Dict) return nullptr;
  for (size_t i = dict.items.size(); i >= 2; i -= 2) {
    const PickleValue& candidate = at(dict.items[i - 2]);
    if (candidate.kind == Kind::Text && candidate.text == key) return &at(dict.items[i - 1]);
  }
  return nullptr;
}

}  // namespace galago
