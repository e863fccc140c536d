// A file is "\x93NUMPY", major and minor version, the header's length (2 bytes in version 1, 4 after that), the header,
// and the elements. The header is a Python dictionary with exactly the keys descr, fortran_order and shape.
#include "client/cpp/npy.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace lossd {
namespace {

constexpr absl::string_view kMagic = "\x93NUMPY";
constexpr size_t kVersionBytes = 2;

// NumPy itself refuses to parse longer ones. Real headers have about 128 bytes.
constexpr size_t kMaxHeaderBytes = 10'000;

// NumPy pads the header so that the elements start at a multiple of this.
constexpr size_t kAlignment = 64;

struct TypeName {
  absl::string_view descr;
  DType dtype;
};
constexpr TypeName kTypeNames[] = {{"<f4", DType::kF32}, {"<f8", DType::kF64}, {"<f2", DType::kF16},
                                   {"<i4", DType::kI32}, {"<i8", DType::kI64}, {"|u1", DType::kU8},
                                   {"|b1", DType::kBool}};

struct Header {
  std::string descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<int64_t>> shape;
};

// Reads the few Python literals that a header consists of, from the front of a text.
class Literals {
 public:
  explicit Literals(absl::string_view text) : text_(text) {}

  bool Take(char symbol) {
    SkipSpace();
    if (text_.empty() || text_.front() != symbol) return false;
    text_.remove_prefix(1);
    return true;
  }

  std::optional<std::string> String() {
    SkipSpace();
    if (text_.empty() || (text_.front() != '\'' && text_.front() != '"')) return std::nullopt;
    const size_t end = text_.find(text_.front(), 1);
    if (end == absl::string_view::npos) return std::nullopt;
    std::string value(text_.substr(1, end - 1));
    text_.remove_prefix(end + 1);
    return value;
  }

  std::optional<bool> Bool() {
    SkipSpace();
    for (const auto& [word, value] : {std::pair<absl::string_view, bool>{"True", true}, {"False", false}}) {
      if (text_.substr(0, word.size()) == word) {
        text_.remove_prefix(word.size());
        return value;
      }
    }
    return std::nullopt;
  }

  std::optional<std::vector<int64_t>> Tuple() {
    if (!Take('(')) return std::nullopt;
    std::vector<int64_t> sizes;
    for (bool more = true; !Take(')'); more = Take(',')) {
      SkipSpace();
      const size_t digits = std::min(text_.find_first_not_of("0123456789"), text_.size());
      int64_t size = 0;
      if (!more || !absl::SimpleAtoi(text_.substr(0, digits), &size)) return std::nullopt;
      sizes.push_back(size);
      text_.remove_prefix(digits);
    }
    return sizes;
  }

  bool AtEnd() {
    SkipSpace();
    return text_.empty();
  }

 private:
  void SkipSpace() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\n')) text_.remove_prefix(1);
  }

  absl::string_view text_;
};

std::optional<Header> ParseHeader(absl::string_view text) {
  Literals literals(text);
  Header header;
  bool has_descr = false;
  if (!literals.Take('{')) return std::nullopt;
  for (bool more = true; !literals.Take('}'); more = literals.Take(',')) {
    const std::optional<std::string> key = literals.String();
    if (!more || !key || !literals.Take(':')) return std::nullopt;
    if (*key == "descr") {
      // A list here describes a structured type; it stays an unknown one.
      header.descr = literals.String().value_or("a structured type");
      has_descr = true;
      if (header.descr == "a structured type") return header;
    } else if (*key == "fortran_order") {
      header.fortran_order = literals.Bool();
    } else if (*key == "shape") {
      header.shape = literals.Tuple();
    } else {
      return std::nullopt;
    }
  }
  if (!has_descr || !header.fortran_order || !header.shape || !literals.AtEnd()) return std::nullopt;
  return header;
}

absl::StatusOr<DType> TypeOf(const std::string& descr) {
  for (const TypeName& type : kTypeNames) {
    if (type.descr == descr) return type.dtype;
  }
  if (descr.starts_with('>')) {
    return absl::InvalidArgumentError(absl::StrCat("elements are big-endian ('", descr,
                                                   "'); save it with array.astype(array.dtype.newbyteorder('<'))"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("elements are '", descr.substr(0, 40), "'; expected f4, f8, f2, i4, i8, u1 or b1"));
}

// Reads up to `size` bytes; fewer at the end of the file.
std::string ReadUpTo(std::istream& in, size_t size) {
  std::string bytes(size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<size_t>(in.gcount()));
  return bytes;
}

// The header's text, with the file left at the first element.
absl::StatusOr<std::string> ReadHeaderText(std::istream& in) {
  const std::string start = ReadUpTo(in, kMagic.size() + kVersionBytes);
  if (start.size() < kMagic.size() + kVersionBytes || !start.starts_with(std::string(kMagic))) {
    return absl::InvalidArgumentError("not a .npy file");
  }
  const int version = static_cast<unsigned char>(start[kMagic.size()]);
  if (version < 1 || version > 3) {
    return absl::InvalidArgumentError(absl::StrCat("format version ", version, "; expected 1 to 3"));
  }
  const std::string length_bytes = ReadUpTo(in, version == 1 ? 2 : 4);
  size_t length = 0;
  for (size_t i = 0; i < length_bytes.size(); ++i) {
    length |= static_cast<size_t>(static_cast<unsigned char>(length_bytes[i])) << (8 * i);
  }
  if (length > kMaxHeaderBytes) {
    return absl::InvalidArgumentError(absl::StrCat("header of ", length, " bytes; expected at most ", kMaxHeaderBytes));
  }
  std::string text = ReadUpTo(in, length);
  if (text.size() < length || length == 0) return absl::InvalidArgumentError("the file ends in its header");
  return text;
}

absl::StatusOr<Tensor> Read(std::istream& in, uintmax_t file_bytes) {
  const absl::StatusOr<std::string> text = ReadHeaderText(in);
  if (!text.ok()) return text.status();
  std::optional<Header> header = ParseHeader(*text);
  if (!header) return absl::InvalidArgumentError("header that cannot be read");
  const absl::StatusOr<DType> dtype = TypeOf(header->descr);
  if (!dtype.ok()) return dtype.status();
  if (*header->fortran_order) {
    return absl::InvalidArgumentError("elements are in Fortran order; save it with numpy.ascontiguousarray(array)");
  }
  const uintmax_t available = file_bytes - static_cast<uintmax_t>(in.tellg());
  size_t expected = SizeOf(*dtype);
  bool fits = true;
  for (const int64_t size : *header->shape) fits = fits && !__builtin_mul_overflow(expected, size, &expected);
  if (!fits || expected != available) {
    return absl::InvalidArgumentError(absl::StrCat("shape [", absl::StrJoin(*header->shape, ", "),
                                                   "] does not fit the ", available, " bytes of elements in the file"));
  }
  Tensor tensor(*dtype, *std::move(header->shape), expected);
  in.read(reinterpret_cast<char*>(tensor.bytes().data()), static_cast<std::streamsize>(expected));
  if (static_cast<size_t>(in.gcount()) != expected) return absl::InvalidArgumentError("the file became shorter");
  return tensor;
}

std::string HeaderOf(absl::string_view descr, const std::vector<int64_t>& shape) {
  const std::string tuple = absl::StrCat("(", absl::StrJoin(shape, ", "), shape.size() == 1 ? ",)" : ")");
  std::string text = absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': ", tuple, ", }");
  const size_t before = kMagic.size() + kVersionBytes + 2;  // a version 1.0 length
  const size_t total = (before + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  text.append(total - before - text.size() - 1, ' ');
  text.push_back('\n');
  std::string header = absl::StrCat(kMagic, absl::string_view("\1\0", kVersionBytes));
  header.push_back(static_cast<char>(text.size() & 0xff));
  header.push_back(static_cast<char>(text.size() >> 8));
  return header + text;
}

}  // namespace

absl::StatusOr<Tensor> ReadNpy(const std::string& path) {
  std::error_code error;
  const uintmax_t file_bytes = std::filesystem::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  if (error || !in)
    return absl::NotFoundError(absl::StrCat(path, ": ", error ? error.message() : std::strerror(errno)));
  absl::StatusOr<Tensor> tensor = Read(in, file_bytes);
  if (tensor.ok()) return tensor;
  return absl::Status(tensor.status().code(), absl::StrCat(path, ": ", tensor.status().message()));
}

absl::Status WriteNpy(const std::string& path, const ConstTensor& tensor) {
  for (const TypeName& type : kTypeNames) {
    if (type.dtype != tensor.dtype) continue;
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << HeaderOf(type.descr, tensor.shape);
    out.write(reinterpret_cast<const char*>(tensor.bytes.data()), static_cast<std::streamsize>(tensor.bytes.size()));
    out.close();
    if (!out) return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(errno)));
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": the .npy format has no element type for ",
                   absl::string_view(Name(tensor.dtype).data(), Name(tensor.dtype).size())));
}

}  // namespace lossd
