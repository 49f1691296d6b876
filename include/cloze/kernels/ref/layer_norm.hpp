// LayerNorm with residual and dropout on Reference.
#pragma once

#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/kernels/layer_norm_args.hpp>

namespace cloze::kernels {

template <class T>
void layer_norm_forward(Reference, const LayerNormArgs<T>& a) {
  for (Index r = 0; r < a.rows; ++r) {
    const Index first = r * a.columns;
    const T* z = a.z ? a.z + first : a.x + first;
    if (a.z)
      for (Index c = 0; c < a.columns; ++c) {
        T value = a.x[first + c];
        if (a.dropout.active())
          value *=
              RowDropout::keeps(a.dropout, a.row_ids ? a.row_ids[r] : r, c) ? static_cast<T>(a.dropout.scale) : T(0);
        a.z[first + c] = value + (a.residual ? a.residual[first + c] : T(0));
      }
    T mean{0}, variance{0};
    for (Index c = 0; c < a.columns; ++c) mean += z[c];
    mean /= static_cast<T>(a.columns);
    for (Index c = 0; c < a.columns; ++c) variance += (z[c] - mean) * (z[c] - mean);
    variance /= static_cast<T>(a.columns);
    const T rstd = T(1) / std::sqrt(variance + a.eps);
    for (Index c = 0; c < a.columns; ++c)
      a.y[first + c] = (z[c] - mean) * rstd * (a.gamma ? a.gamma[c] : T(1)) + (a.beta ? a.beta[c] : T(0));
    if (a.mean) a.mean[r] = mean;
    if (a.rstd) a.rstd[r] = rstd;
  }
}

template <class T>
void layer_norm_backward(Reference, const LayerNormBackwardArgs<T>& a) {
  const auto put = [](const GradTarget<T>& target, Index i, T value) {
    if (target.data) target.data[i] = target.add ? target.data[i] + value : value;
  };
  const auto normalised = [&](Index r, Index c) { return (a.z[r * a.columns + c] - a.mean[r]) * a.rstd[r]; };
  const auto scaled = [&](Index r, Index c) { return a.dy[r * a.columns + c] * (a.gamma ? a.gamma[c] : T(1)); };
  for (Index r = 0; r < a.rows; ++r) {
    T mean_g{0}, mean_gz{0};
    for (Index c = 0; c < a.columns; ++c) {
      mean_g += scaled(r, c);
      mean_gz += scaled(r, c) * normalised(r, c);
    }
    mean_g /= static_cast<T>(a.columns);
    mean_gz /= static_cast<T>(a.columns);
    for (Index c = 0; c < a.columns; ++c) {
      const T dz = a.rstd[r] * (scaled(r, c) - mean_g - normalised(r, c) * mean_gz);
      T factor{1};
      if (a.dropout.active())
        factor = RowDropout::keeps(a.dropout, a.row_ids ? a.row_ids[r] : r, c) ? static_cast<T>(a.dropout.scale) : T(0);
      put(a.dx, r * a.columns + c, dz * factor);
      put(a.dresidual, r * a.columns + c, dz);
    }
  }
  for (Index c = 0; c < a.columns; ++c) {
    T dgamma{0}, dbeta{0};
    for (Index r = 0; r < a.rows; ++r) {
      dgamma += a.dy[r * a.columns + c] * normalised(r, c);
      dbeta += a.dy[r * a.columns + c];
    }
    put(a.dgamma, c, dgamma);
    put(a.dbeta, c, dbeta);
  }
}

}  // namespace cloze::kernels
