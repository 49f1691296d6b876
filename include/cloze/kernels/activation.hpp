// The activation functions of the supported models, by name.
#pragma once

#include <cmath>
#include <string_view>

#include <cloze/core/error.hpp>

namespace cloze {

/// gelu: x Φ(x) by erf. gelu_tanh: its tanh approximation ("gelu_new" of GPT-2).
enum class Activation { none, gelu, gelu_tanh, relu, silu, tanh };

/// Reads the names of Hugging Face's config.json. Throws [cloze.activation.1] on any other.
inline Activation activation_named(std::string_view name) {
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::gelu_tanh;
  if (name == "relu") return Activation::relu;
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "tanh") return Activation::tanh;
  if (name == "linear") return Activation::none;
  fail("cloze.activation.1",
       "unknown activation \"{}\": gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu, silu, swish, tanh or linear",
       name);
}

namespace kernels {

/// The scalar definition, and the oracle of every vectorised one.
template <class T>
T activate(Activation kind, T x) {
  switch (kind) {
    case Activation::none:
      return x;
    case Activation::gelu:
      return T(0.5) * x * (T(1) + std::erf(x * T(0.70710678118654752440)));
    case Activation::gelu_tanh:
      return T(0.5) * x * (T(1) + std::tanh(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x)));
    case Activation::relu:
      return x > T(0) ? x : (x != x ? x : T(0));
    case Activation::silu:
      return x / (T(1) + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
  }
  return x;
}

/// d activate(x) / dx.
template <class T>
T activate_slope(Activation kind, T x) {
  switch (kind) {
    case Activation::none:
      return T(1);
    case Activation::gelu:
      return T(0.5) * (T(1) + std::erf(x * T(0.70710678118654752440))) +
             x * T(0.39894228040143267794) * std::exp(T(-0.5) * x * x);
    case Activation::gelu_tanh: {
      const T c = T(0.79788456080286535588);
      const T t = std::tanh(c * (x + T(0.044715) * x * x * x));
      return T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t * t) * c * (T(1) + T(3) * T(0.044715) * x * x);
    }
    case Activation::relu:
      return x > T(0) ? T(1) : T(0);
    case Activation::silu: {
      const T s = T(1) / (T(1) + std::exp(-x));
      return s * (T(1) + x * (T(1) - s));
    }
    case Activation::tanh: {
      const T t = std::tanh(x);
      return T(1) - t * t;
    }
  }
  return T(1);
}

}  // namespace kernels
}  // namespace cloze
