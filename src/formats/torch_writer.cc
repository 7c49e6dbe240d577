#include "formats/torch_writer.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "formats/printable.h"
#include "formats/torch_types.h"
#include "formats/zip.h"

namespace galago {
namespace {

constexpr size_t kMaxNameBytes = 1024;  // what the reader takes
constexpr std::string_view kFolder = "archive/";

const TorchType* stored_type(DType dtype) {
  auto found = std::ranges::find_if(kTorchTypes, [&](const TorchType& type) {
    return type.dtype == dtype && type.bytes == info(dtype).block_bytes && !type.storage.empty();
  });
  return found == std::end(kTorchTypes) ? nullptr : found;
}

// The opcodes of a protocol 2 pickle.
class PickleWriter {
 public:
  PickleWriter() { raw("\x80\x02"); }
  PickleWriter& raw(std::string_view opcodes) { return text_ += opcodes, *this; }
  PickleWriter& text(std::string_view value) {
    auto n = static_cast<uint32_t>(value.size());
    return raw("X").put(n).raw(value);
  }
  PickleWriter& integer(int64_t value) { return raw("\x8A\x08").put(value); }  // LONG1 of 8 bytes
  PickleWriter& real(double value) { return raw("G").put(__builtin_bswap64(std::bit_cast<uint64_t>(value))); }
  PickleWriter& boolean(bool value) { return raw(value ? "\x88" : "\x89"); }
  PickleWriter& global(std::string_view name) {  // "torch._utils._rebuild_tensor_v2"
    size_t dot = name.rfind('.');
    return raw("c").raw(name.substr(0, dot)).raw("\n").raw(name.substr(dot + 1)).raw("\n");
  }
  PickleWriter& ordered_dict() { return global("collections.OrderedDict").raw(")R"); }
  PickleWriter& tuple(const std::vector<int64_t>& values) {
    raw("(");
    for (int64_t value : values) integer(value);
    return raw("t");
  }
  PickleWriter& scalar(const TorchScalar& value) {
    if (auto* b = std::get_if<bool>(&value)) return boolean(*b);
    if (auto* i = std::get_if<int64_t>(&value)) return integer(*i);
    if (auto* d = std::get_if<double>(&value)) return real(*d);
    return text(std::get<std::string>(value));
  }
  const std::string& str() const { return text_; }

 private:
  template <class T>
  PickleWriter& put(T value) {
    return raw({reinterpret_cast<const char*>(&value), sizeof value});
  }
  std::string text_;
};

std::vector<int64_t> row_major_strides(const Shape& shape) {
  std::vector<int64_t> strides(static_cast<size_t>(shape.rank()));
  int64_t step = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<size_t>(axis)] = step;
    step *= std::max<int64_t>(shape[axis], 1);
  }
  return strides;
}

// _rebuild_tensor_v2((storage), offset, sizes, strides, requires_grad, hooks)
void put_tensor(PickleWriter& out, DType dtype, const Shape& shape, size_t key) {
  out.global("torch._utils._rebuild_tensor_v2").raw("((").text("storage").global(stored_type(dtype)->storage);
  out.text(std::to_string(key)).text("cpu").integer(shape.elements()).raw("tQ").integer(0);
  out.tuple({shape.dims().begin(), shape.dims().end()}).tuple(row_major_strides(shape));
  out.boolean(false).ordered_dict().raw("tR");
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

void TorchWriter::add(std::string_view name, DType dtype, const Shape& shape, std::function<Tensor()> make) {
  if (!stored_type(dtype))
    throw invalid_input("tensor {} is {}, which PyTorch cannot store; decode it first or write GGUF", printable(name),
                        info(dtype).name);
  if (!is_plain_name(name) || name.size() > kMaxNameBytes)
    throw invalid_input("tensor name \"{}\": expected 1 to {} printable ASCII characters", printable(name),
                        kMaxNameBytes);
  if (!names_.emplace(name).second) throw invalid_input("tensor {} is given twice", printable(name));
  items_.push_back({std::string(name), dtype, shape, std::move(make)});
}

void TorchWriter::add(std::string_view name, Tensor tensor) {
  DType dtype = tensor.dtype();
  Shape shape = tensor.shape();
  add(name, dtype, shape, [tensor = std::move(tensor)] { return tensor; });
}

void TorchWriter::set(std::string_view name, TorchScalar value) {
  CHECK(!key_.empty() && name != key_, "a scalar needs a place beside the state dict");
  scalars_.emplace_back(name, std::move(value));
}

std::string TorchWriter::pickle() const {
  PickleWriter out;
  if (!key_.empty()) out.raw("}(").text(key_);
  out.raw("}(");  // a plain dictionary: C++ torch::pickle_load takes no OrderedDict
  for (size_t i = 0; i < items_.size(); ++i) {
    out.text(items_[i].name);
    put_tensor(out, items_[i].dtype, items_[i].shape, i);
  }
  out.raw("u");
  for (const auto& [name, value] : scalars_) out.text(name).scalar(value);
  if (!key_.empty()) out.raw("u");
  return out.raw(".").str();
}

void TorchWriter::save(const std::string& path) const {
  ZipWriter zip(path);
  auto entry = [](std::string_view name) { return std::string(kFolder).append(name); };
  zip.add(entry("data.pkl"), bytes_of(pickle()));
  zip.add(entry("byteorder"), bytes_of("little"));
  for (size_t i = 0; i < items_.size(); ++i) {
    Tensor tensor = items_[i].make();
    CHECK(tensor.dtype() == items_[i].dtype && tensor.shape() == items_[i].shape, "{}", items_[i].name);
    zip.add(entry("data/" + std::to_string(i)), {tensor.bytes(), tensor.n_bytes()});
  }
  zip.add(entry("version"), bytes_of("3\n"));
  zip.finish();
}

}  // namespace galago
