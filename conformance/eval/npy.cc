// SPDX-License-Identifier: Apache-2.0
#include "conformance/eval/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "conformance/run/files.h"
#include "spec/vocabulary/tensor_view.h"

namespace attest {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kAlignment = 64;  // of the data, as NumPy writes it

struct Header {
  std::string type;
  std::optional<bool> fortran;
  std::optional<std::vector<std::int64_t>> shape;
};

// Reads the header: a Python dict literal of three known keys.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : text_(text) {}

  // An empty string, or what is wrong.
  std::string Read(Header& header) {
    if (!Take('{')) return "the header is no dict";
    while (!Take('}')) {
      const std::optional<std::string> key = String();
      if (!key || !Take(':')) return "the header is malformed";
      if (std::string wrong = Value(*key, header); !wrong.empty()) return wrong;
      if (!Take(',') && !Peek('}')) return "the header is malformed";
    }
    if (header.type.empty()) return "the header has no descr";
    if (!header.fortran) return "the header has no fortran_order";
    if (!header.shape) return "the header has no shape";
    return {};
  }

 private:
  std::string Value(const std::string& key, Header& header) {
    if (key == "descr") {
      if (Peek('[')) return "structured element types are not read";
      const std::optional<std::string> type = String();
      if (!type) return "descr is not a string";
      header.type = *type;
    } else if (key == "fortran_order") {
      if (TakeWord("True")) {
        header.fortran = true;
      } else if (TakeWord("False")) {
        header.fortran = false;
      } else {
        return "fortran_order is neither True nor False";
      }
    } else if (key == "shape") {
      header.shape = Tuple();
      if (!header.shape) return "shape is not a tuple of sizes";
    } else {
      return fmt::format("the header has an unknown key '{}'", key);
    }
    return {};
  }

  std::optional<std::vector<std::int64_t>> Tuple() {
    std::vector<std::int64_t> sizes;
    if (!Take('(')) return std::nullopt;
    while (!Take(')')) {
      Skip();
      std::int64_t size = 0;
      const char* end = text_.data() + text_.size();
      const auto [after, error] = std::from_chars(text_.data() + at_, end, size);
      if (error != std::errc{} || size < 0) return std::nullopt;
      at_ = static_cast<std::size_t>(after - text_.data());
      sizes.push_back(size);
      if (!Take(',') && !Peek(')')) return std::nullopt;
    }
    return sizes;
  }

  std::optional<std::string> String() {
    Skip();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) return std::nullopt;
    const std::size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) return std::nullopt;
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }

  void Skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool Peek(char c) {
    Skip();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool Take(char c) {
    if (!Peek(c)) return false;
    ++at_;
    return true;
  }
  bool TakeWord(std::string_view word) {
    Skip();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// "<f4" and its like.
std::string ReadType(const std::string& descr, NpyType& type) {
  const auto unknown = [&descr] { return fmt::format("element type '{}' is not read", descr); };
  if (descr.size() < 3) return unknown();
  const char order = descr[0];
  type.kind = descr[1];
  const char* end = descr.data() + descr.size();
  const auto [after, error] = std::from_chars(descr.data() + 2, end, type.size);
  if (error != std::errc{} || after != end) return unknown();
  if (std::string_view("fiubV").find(type.kind) == std::string_view::npos) return unknown();
  if (type.size != 1 && type.size != 2 && type.size != 4 && type.size != 8) return unknown();
  if (order == '>' && type.size > 1) {
    return fmt::format("'{}' is big-endian; store it little-endian", descr);
  }
  if (order != '<' && order != '|' && order != '=' && order != '>') return unknown();
  return {};
}

std::vector<std::int64_t> FortranStrides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t axis = 1; axis < shape.size(); ++axis) {
    strides[axis] = strides[axis - 1] * shape[axis - 1];
  }
  return strides;
}

// Bytes of the data, or nothing where the product does not fit.
std::optional<std::int64_t> DataBytes(const std::vector<std::int64_t>& shape, int size) {
  std::int64_t bytes = size;
  bool empty = false;
  for (const std::int64_t n : shape) {  // strides of an empty array must fit as well
    empty = empty || n == 0;
    if (n > 0 && __builtin_mul_overflow(bytes, n, &bytes)) return std::nullopt;
  }
  return empty ? 0 : bytes;
}

// Offset and length of the header text, or what is wrong.
std::string FindHeader(std::string_view file, std::size_t& first, std::size_t& length) {
  if (!file.starts_with(kMagic)) return "not an NPY file";
  if (file.size() < 10) return "cut off in the header";
  const int version = static_cast<unsigned char>(file[6]);
  if (version < 1 || version > 3) return fmt::format("NPY version {} is not read", version);
  const std::size_t width = version == 1 ? 2 : 4;
  first = 8 + width;
  if (file.size() < first) return "cut off in the header";
  length = 0;
  for (std::size_t i = 0; i < width; ++i) {
    length |= static_cast<std::size_t>(static_cast<unsigned char>(file[8 + i])) << (8 * i);
  }
  if (length > file.size() - first) return "cut off in the header";
  return {};
}

}  // namespace

std::string Name(NpyType type) {
  switch (type.kind) {
    case 'f':
      return fmt::format("float{}", 8 * type.size);
    case 'i':
      return fmt::format("int{}", 8 * type.size);
    case 'u':
      return fmt::format("uint{}", 8 * type.size);
    case 'b':
      return "bool";
    default:
      return fmt::format("{} raw byte{}", type.size, type.size == 1 ? "" : "s");
  }
}

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::int64_t NpyArray::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t n : shape) count *= n;
  return count;
}

Result<NpyArray> ParseNpy(std::string_view file, const std::string& path) {
  const auto bad = [&path](const std::string& what) { return BadInput(path + ": " + what); };
  std::size_t first = 0;
  std::size_t length = 0;
  if (std::string wrong = FindHeader(file, first, length); !wrong.empty()) return bad(wrong);
  Header header;
  if (std::string wrong = HeaderReader(file.substr(first, length)).Read(header); !wrong.empty()) {
    return bad(wrong);
  }
  NpyArray array{.path = path, .shape = *header.shape};
  if (std::string wrong = ReadType(header.type, array.type); !wrong.empty()) return bad(wrong);
  const std::string_view data = file.substr(first + length);
  const std::optional<std::int64_t> bytes = DataBytes(array.shape, array.type.size);
  if (!bytes || static_cast<std::int64_t>(data.size()) != *bytes) {
    return bad(fmt::format("{} bytes of data, but shape {} of {} says {}", data.size(),
                           ShapeText(array.shape), Name(array.type),
                           bytes ? fmt::format("{}", *bytes) : "more than 2^63"));
  }
  array.strides = *header.fortran ? FortranStrides(array.shape) : DenseStrides(array.shape);
  // One byte more, so that the address of an empty array is not null.
  array.bytes.resize(data.size() + 1);
  if (!data.empty()) std::memcpy(array.bytes.data(), data.data(), data.size());
  return array;
}

Result<NpyArray> ReadNpy(const std::string& path) {
  const Result<std::string> file = ReadFile(path);
  if (!file.ok()) return file.status();
  return ParseNpy(*file, path);
}

std::string NpyFile(NpyType type, const std::vector<std::int64_t>& shape, const void* data) {
  std::string sizes;
  for (const std::int64_t n : shape) sizes += fmt::format("{}, ", n);
  if (shape.size() > 1) sizes.resize(sizes.size() - 2);
  if (shape.size() == 1) sizes.pop_back();
  std::string header = fmt::format("{{'descr': '{}{}{}', 'fortran_order': False, 'shape': ({}), }}",
                                   type.size == 1 ? '|' : '<', type.kind, type.size, sizes);
  const std::size_t bare = kMagic.size() + 4 + header.size() + 1;
  header.append((kAlignment - bare % kAlignment) % kAlignment, ' ');
  header += '\n';
  std::string file(kMagic);
  file += '\x01';
  file += '\x00';
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  file += header;
  std::int64_t bytes = type.size;
  for (const std::int64_t n : shape) bytes *= n;
  file.append(static_cast<const char*>(data), static_cast<std::size_t>(bytes));
  return file;
}

NpyType StoredAs(DType dtype) {
  const int size = static_cast<int>(SizeOf(dtype));
  switch (dtype) {
    case DType::kFloat32:
    case DType::kFloat16:
      return {'f', size};
    case DType::kInt8:
    case DType::kInt32:
    case DType::kInt64:
      return {'i', size};
    case DType::kBool:
      return {'b', 1};
    default:
      return {'u', size};
  }
}

bool CanHold(NpyType type, DType dtype) {
  const NpyType stored = StoredAs(dtype);
  if (type == NpyType{'f', 1}) return dtype == DType::kFloat8E5M2;
  return type == stored || (stored.kind == 'u' && type == NpyType{'V', stored.size});
}

}  // namespace attest
