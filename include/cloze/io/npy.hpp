// NumPy's array files (.npy): tensors in and out, nothing read before its length is checked.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/io/mapped_file.hpp>
#include <cloze/io/output_file.hpp>
#include <cloze/tensor/tensor.hpp>

namespace cloze {

// The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. "\x93NUMPY", two bytes of
// version, the header's length (2 bytes in version 1, 4 after), the header, the elements. The header is a Python
// dictionary:
// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }. xtensor's own reader trusts what it reads, so it is not
// used.

namespace detail {

static_assert(std::endian::native == std::endian::little, "NPY files are read and written as little-endian");

inline constexpr std::string_view npy_magic = "\x93NUMPY";

/// NumPy's name for the scalar: "<f4", "<f8".
template <class T>
constexpr std::string_view npy_descr() {
  static_assert(std::numeric_limits<T>::is_iec559 && (sizeof(T) == 4 || sizeof(T) == 8));
  return sizeof(T) == 4 ? "<f4" : "<f8";
}

struct NpyHeader {
  std::string descr;
  bool fortran_order = false;
  std::vector<Index> shape;
};

/// Reads the dictionary of a header; every fault is [cloze.npy.1] with the file's name.
class NpyHeaderParser {
 public:
  NpyHeaderParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  NpyHeader parse() {
    NpyHeader header;
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr" && !descr) {
        header.descr = string();
        descr = true;
      } else if (key == "fortran_order" && !order) {
        header.fortran_order = boolean();
        order = true;
      } else if (key == "shape" && !shape) {
        header.shape = tuple();
        shape = true;
      } else {
        refuse("an unknown or repeated key");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip();
    if (!(descr && order && shape)) refuse("a missing key: wanted descr, fortran_order and shape");
    if (at_ != text_.size()) refuse("text after the dictionary");
    return header;
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool accept(char c) {
    skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) refuse(std::string("no '") + c + "'");
  }
  bool accept_word(std::string_view word) {
    skip();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  std::string string() {
    skip();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') refuse("no string (structured types are not supported)");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) refuse("a string without an end");
    const std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) refuse("neither True nor False");
    return false;
  }
  Index integer() {
    skip();
    const std::size_t begin = at_;
    Index value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (value > (std::numeric_limits<Index>::max() - 9) / 10) refuse("an extent beyond 64 bits");
      value = 10 * value + (text_[at_] - '0');
    }
    if (at_ == begin) refuse("no extent");
    return value;
  }
  std::vector<Index> tuple() {
    std::vector<Index> values;
    expect('(');
    while (!accept(')')) {
      values.push_back(integer());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return values;
  }
  [[noreturn]] void refuse(std::string_view found) const {
    fail("cloze.npy.1", "{}: broken NPY header: {} at byte {} of \"{}\"", file_, found, at_, text_.substr(0, 200));
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
};

/// Splits a file into header text and elements. Throws [cloze.npy.1].
inline std::string_view npy_header_text(std::string_view bytes, const std::string& file) {
  require(bytes.size() >= 10 && bytes.starts_with(npy_magic), "cloze.npy.1", "{}: not an NPY file: {} bytes{}", file,
          bytes.size(), bytes.starts_with(npy_magic) ? "" : " that do not begin with NUMPY's magic");
  const int major = static_cast<unsigned char>(bytes[6]), minor = static_cast<unsigned char>(bytes[7]);
  require(major >= 1 && major <= 3 && minor == 0, "cloze.npy.1", "{}: NPY version {}.{}: wanted 1.0, 2.0 or 3.0", file,
          major, minor);
  const std::size_t width = major == 1 ? 2 : 4;
  require(bytes.size() >= 8 + width, "cloze.npy.1", "{}: the file ends inside its header", file);
  std::size_t length = 0;
  for (std::size_t i = 0; i < width; ++i)
    length |= static_cast<std::size_t>(static_cast<unsigned char>(bytes[8 + i])) << (8 * i);
  require(length <= bytes.size() - 8 - width, "cloze.npy.1", "{}: a header of {} bytes in a file of {}", file, length,
          bytes.size());
  return bytes.substr(8 + width, length);
}

/// A version 1.0 header, padded so that the elements begin at a multiple of 64 bytes, as NumPy writes it.
inline std::string npy_header(std::string_view descr, const Shape& shape) {
  std::string text = formatted("{{'descr': '{}', 'fortran_order': False, 'shape': (", descr);
  for (int i = 0; i < shape.rank(); ++i) text += formatted("{}{},", i == 0 ? "" : " ", shape[i]);
  if (shape.rank() > 1) text.pop_back();  // only a tuple of one keeps its comma
  text += "), }";
  const std::size_t before = npy_magic.size() + 4;
  text.append((64 - (before + text.size() + 1) % 64) % 64, ' ');
  text += '\n';
  std::string header(npy_magic);
  header += {'\1', '\0', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return header + text;
}

}  // namespace detail

/// Reads an array of T. Errors: [cloze.npy.1] not an NPY file or a broken header; [cloze.npy.2] elements of another
/// type (nothing is converted in silence); [cloze.npy.3] column-major order; [cloze.npy.4] more or fewer bytes than the
/// shape needs; [cloze.tensor.1] a shape that no tensor has; [cloze.file.1] a file that cannot be read.
template <Scalar T, Device D = Cpu>
Tensor<T, D> load_npy(const std::filesystem::path& path) {
  const std::string file = path.string();
  const MappedFile mapped(path);
  const std::string_view bytes(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
  const std::string_view text = detail::npy_header_text(bytes, file);
  const detail::NpyHeader header = detail::NpyHeaderParser(text, file).parse();
  require(header.descr == detail::npy_descr<T>(), "cloze.npy.2", "{}: elements of type {}, wanted {}", file,
          header.descr, detail::npy_descr<T>());
  require(!header.fortran_order || header.shape.size() < 2, "cloze.npy.3",
          "{}: column-major order; save it with numpy.ascontiguousarray", file);
  const Shape shape(header.shape);
  const std::size_t begin = static_cast<std::size_t>(text.data() + text.size() - bytes.data());
  const std::size_t left = bytes.size() - begin;
  require(left % sizeof(T) == 0 && left / sizeof(T) == static_cast<std::size_t>(shape.size()), "cloze.npy.4",
          "{}: shape {} needs {} elements of {} bytes, the file has {} bytes for them", file, shape, shape.size(),
          sizeof(T), left);
  auto tensor = Tensor<T, Cpu>::empty(shape);
  if (left != 0) std::memcpy(tensor.data(), bytes.data() + begin, left);
  if constexpr (std::same_as<D, Cpu>) {
    return tensor;
  } else {
    return tensor.template to<D>();
  }
}

/// Writes a tensor so that numpy.load reads it. The file appears whole or not at all.
/// Errors: [cloze.file.3] it cannot be written.
template <Scalar T, Device D>
void save_npy(const std::filesystem::path& path, const Tensor<T, D>& tensor) {
  const std::string header = detail::npy_header(detail::npy_descr<T>(), tensor.shape());
  AtomicFile out(path);
  out.file().write(header);
  if constexpr (HostDevice<D>) {
    out.file().write(std::as_bytes(tensor.span()));
  } else {
    const std::vector<T> values = tensor.to_vector();
    out.file().write(std::as_bytes(std::span<const T>(values)));
  }
  out.commit();
}

}  // namespace cloze
