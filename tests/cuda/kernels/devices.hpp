// One kernel on two devices: on Reference in double and on Cuda in any element type, from the same numbers.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <type_traits>
#include <vector>

#include <cloze/core/dtype.hpp>
#include <cloze/tensor/gradient.hpp>
#include <cloze/tensor/storage.hpp>

#include "support/catch.hpp"
#include "support/gpu.hpp"

namespace cloze::test {

using Numbers = std::vector<double>;

/// Numbers in (-4, 4), each of which every element type holds exactly.
inline Numbers numbers(Index size, int seed, double scale = 1) {
  Numbers values(static_cast<std::size_t>(size));
  std::uint32_t state = 0x9E3779B9u * static_cast<std::uint32_t>(seed + 1);
  for (double& value : values) {
    state = state * 1664525u + 1013904223u;
    value = scale * (static_cast<double>(state >> 23) - 256) / 64;
  }
  return values;
}

/// The arrays of one run of a kernel, which computes in T on device D.
template <class D, class T>
class Place {
 public:
  using Device = D;
  using Element = T;

  /// `shift`: elements before the first one of each array, so that none is aligned.
  explicit Place(Index shift = 0) : shift_(shift) {}

  static Compute<T> scalar(double value) { return static_cast<Compute<T>>(value); }

  template <class U = T>
  U* in(const Numbers& values) {
    std::vector<U> elements(static_cast<std::size_t>(shift_), convert<U>(0.0));
    for (const double value : values) elements.push_back(convert<U>(value));
    return take(elements) + shift_;
  }
  /// Read and written: its numbers afterwards are a result.
  template <class U = T>
  U* changed(const Numbers& values) {
    U* const data = in<U>(values);
    results_.push_back([this, data, size = values.size()] { return numbers_of(data, size); });
    return data;
  }
  /// Written: NaN until then.
  template <class U = T>
  U* out(Index size) {
    return changed<U>(Numbers(static_cast<std::size_t>(size), nan));
  }
  /// Statistics, which are kept in what T is computed in.
  Compute<T>* wide_in(const Numbers& values) { return in<Compute<T>>(values); }
  Compute<T>* wide_out(Index size) { return out<Compute<T>>(size); }
  /// A gradient that is written, or added to some numbers.
  GradTarget<T> target(Index size, bool add) { return {add ? changed(numbers(size, 77)) : out(size), add}; }
  /// Written, of a type of its own, and no result.
  template <class U>
  U* scratch(Index size) {
    return take(std::vector<U>(static_cast<std::size_t>(size)));
  }

  /// Makes what is there after the run a result.
  void also(const T* data, Index size) {
    results_.push_back([this, data, size] { return numbers_of(data, static_cast<std::size_t>(size)); });
  }

  std::vector<Numbers> results() const {
    std::vector<Numbers> all;
    for (const auto& result : results_) all.push_back(result());
    return all;
  }

 private:
  static constexpr double nan = std::numeric_limits<double>::quiet_NaN();

  template <class U>
  U* take(const std::vector<U>& elements) {
    const Storage<char, D> storage(static_cast<Index>(elements.size() * sizeof(U)));
    copy_elements<Cpu, D>(reinterpret_cast<const char*>(elements.data()), storage.data(), storage.size());
    held_.push_back(storage);
    return reinterpret_cast<U*>(storage.data());
  }
  template <class U>
  Numbers numbers_of(const U* data, std::size_t size) const {
    std::vector<U> elements(size);
    copy_elements<D, Cpu>(data, elements.data(), static_cast<Index>(size));
    Numbers values;
    for (const U& element : elements) values.push_back(convert<double>(element));
    return values;
  }

  Index shift_;
  std::vector<Storage<char, D>> held_;
  std::vector<std::function<Numbers()>> results_;
};

/// In a run: where `at` is and what it computes in, `DeviceOf<decltype(at)>`.
template <class P>
using DeviceOf = typename std::remove_reference_t<P>::Device;
template <class P>
using ElementOf = typename std::remove_reference_t<P>::Element;

/// Results of `run`, which gets a Place and calls one kernel or several on its device.
template <class D, class T, class Run>
std::vector<Numbers> results_on(const Run& run, Index shift = 0) {
  Place<D, T> place(shift);
  run(place);
  return place.results();
}

inline bool same_bits(double a, double b) { return a == b ? std::signbit(a) == std::signbit(b) : a != a && b != b; }

/// The largest error of `found` beside `wanted`, relative to 1 + |wanted|; infinite where only one is NaN or infinite.
inline double largest_error(const std::vector<Numbers>& found, const std::vector<Numbers>& wanted) {
  REQUIRE(found.size() == wanted.size());
  double largest = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    REQUIRE(found[i].size() == wanted[i].size());
    for (std::size_t j = 0; j < found[i].size(); ++j) {
      const double a = found[i][j], b = wanted[i][j];
      const double error = a == b || (a != a && b != b) ? 0 : std::abs(a - b) / (1 + std::abs(b));
      largest = error <= largest ? largest : error == error ? error : std::numeric_limits<double>::infinity();
    }
  }
  return largest;
}

inline bool same_bits(const std::vector<Numbers>& a, const std::vector<Numbers>& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i) {
    same = a[i].size() == b[i].size();
    for (std::size_t j = 0; same && j < a[i].size(); ++j) same = same_bits(a[i][j], b[i][j]);
  }
  return same;
}

/// Cuda's results in T, aligned and not, whose bits may not depend on the order of threads and blocks.
template <class T, class Run>
void check_in(const std::vector<Numbers>& wanted, const Run& run, double tolerance) {
  for (const Index shift : {0, 1}) {
    INFO(dtype_name(dtype_of<T>) << ", arrays shifted by " << shift);
    const auto found = results_on<Cuda, T>(run, shift);
    CHECK(largest_error(found, wanted) <= tolerance);
#ifdef CLOZE_CUDA_EMULATOR
    cloze::emulator::behaviour().backwards = true;
#endif
    CHECK(same_bits(results_on<Cuda, T>(run, shift), found));
#ifdef CLOZE_CUDA_EMULATOR
    cloze::emulator::behaviour().backwards = false;
#endif
  }
}

/// Requires that `run` gives on Cuda what it gives on Reference in double: to `tolerance` units of the type's precision
/// (of a coarser one for double: Reference itself rounds).
template <class... Types, class Run>
void check_on_cuda(const Run& run, double tolerance = 16) {
  const auto wanted = results_on<Reference, double>(run);
  const auto unit = []<class T>(T) { return sizeof(T) == 8 ? 0x1p-48 : sizeof(T) == 4 ? 0x1p-23 : 0x1p-8; };
  (check_in<Types>(wanted, run, tolerance * unit(Types{})), ...);
}

}  // namespace cloze::test
