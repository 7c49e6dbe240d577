// Restricted reader of Python pickles, protocols 2 to 5 (Python's Lib/pickletools.py describes the opcodes): a stack
// machine that builds plain values and nothing else. No name in the file is ever imported or called: a global is its
// text, and calling one gives a value that says so. Only dictionaries, sets, torch.Size and _codecs.encode are
// understood; names that only an attack would use (os.system, builtins.eval ...) refuse the file.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace galago {

using PickleId = uint32_t;  // a value's place in its Pickle; values may refer to each other in cycles

struct PickleValue {
  enum class Kind : uint8_t {
    None,
    Bool,
    Int,
    Float,
    Text,    // also a byte string: whatever the bytes are
    BigInt,  // text: little-endian two's complement, more than 8 bytes
    Tuple,
    List,
    Dict,  // items: key, value, key, value ...; nothing removes repeated keys
    Set,
    Global,      // text: "module.name"
    Call,        // text: "module.name" that would have been called; items: the arguments, one Tuple
    Persistent,  // items: the id, mostly a Tuple
  };
  Kind kind = Kind::None;
  int64_t integer = 0;  // Bool, Int
  double number = 0;    // Float
  std::string_view text;
  std::vector<PickleId> items;

  bool is_list() const { return kind == Kind::Tuple || kind == Kind::List; }
};

// Immutable once parsed; views point into the bytes it was parsed from. Move only.
class Pickle {
 public:
  // Reads from the start of `bytes` to the STOP opcode. Throws InvalidInput naming `subject` and the byte for a
  // malformed, over-large (256 MiB, 4 Mi values) or hostile pickle; never allocates more than these limits allow.
  static Pickle parse(std::span<const std::byte> bytes, const std::string& subject);
  Pickle(Pickle&&) = default;
  Pickle& operator=(Pickle&&) = default;

  PickleId root() const { return root_; }
  const PickleValue& at(PickleId id) const { return values_[id]; }
  std::span<const PickleValue> values() const { return values_; }  // all that were ever made, by id
  uint64_t n_bytes() const { return n_bytes_; }                    // up to and with STOP
  // The value of a text key of a dict; null if it is no dict or has no such key. The last one wins, as in Python.
  const PickleValue* find(const PickleValue& dict, std::string_view key) const;

 private:
  friend class PickleMachine;
  Pickle() = default;
  std::vector<PickleValue> values_;
  std::set<std::string, std::less<>> names_;  // owns the text of globals
  PickleId root_ = 0;
  uint64_t n_bytes_ = 0;
};

}  // namespace galago
