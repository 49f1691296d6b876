// Looked-up rows, summed and normalised, on Reference.
#pragma once

#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/kernels/embedding_norm_args.hpp>

namespace cloze::kernels {

template <class T>
void embedding_norm_forward(Reference, const EmbeddingNormArgs<T>& a) {
  const T n = static_cast<T>(a.columns);
  for (Index r = 0; r < a.rows; ++r) {
    const Index first = r * a.columns;
    T mean{0}, variance{0};
    for (Index c = 0; c < a.columns; ++c) {
      T sum{0};
      for (int t = 0; t < a.count; ++t) sum += a.tables[t].table[a.tables[t].ids[r] * a.columns + c];
      a.z[first + c] = sum;
      mean += sum / n;
    }
    for (Index c = 0; c < a.columns; ++c) variance += (a.z[first + c] - mean) * (a.z[first + c] - mean) / n;
    const T rstd = T(1) / std::sqrt(variance + a.eps);
    for (Index c = 0; c < a.columns; ++c) {
      const bool kept = !a.dropout.active() || RowDropout::keeps(a.dropout, r, c);
      const T y = (a.z[first + c] - mean) * rstd * a.gamma[c] + a.beta[c];
      a.y[first + c] = kept ? y * static_cast<T>(a.dropout.scale) : T(0);
    }
    if (a.mean) a.mean[r] = mean;
    if (a.rstd) a.rstd[r] = rstd;
  }
}

}  // namespace cloze::kernels
