// The input of an encoder in one pass: rows of tables by index, their sum, LayerNorm, dropout.
#pragma once

#include <cloze/core/dropout.hpp>
#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>

namespace cloze::kernels {

/// One table and the row of it that each row of the result takes.
template <class T>
struct LookedUpRows {
  const T* table;    // [any, columns]
  const Index* ids;  // [rows] on the host, checked
};

/// z = Σ tables[t][ids_t], added in the order of the tables; y = dropout((z - mean) · rstd · gamma + beta), with the
/// statistics of layer_norm_args.hpp.
template <class T>
struct EmbeddingNormArgs {
  static constexpr int most = 3;

  Index rows, columns;
  LookedUpRows<T> tables[most];
  int count;       // of tables, at least 1
  const T* gamma;  // [columns]
  const T* beta;   // [columns]
  Compute<T> eps;
  DropoutRule dropout;  // row r draws as row r
  T* z;                 // [rows, columns], may be y
  T* y;                 // [rows, columns]
  Compute<T>* mean;     // [rows] or null
  Compute<T>* rstd;     // [rows] or null
};

}  // namespace cloze::kernels
