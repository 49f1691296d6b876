// LayerNorm with the residual and dropout that precede it, in one pass: what the kernels need to know.
#pragma once

#include <cloze/core/dropout.hpp>
#include <cloze/core/dtype.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

/// z = residual + dropout(x); y = (z - mean) · rstd · gamma + beta, where rstd = 1 / √(variance + eps) and the variance
/// is the biased one, taken in a second pass over the row.
template <class T>
struct LayerNormArgs {
  Index rows, columns;
  const T* x;         // [rows, columns]
  const T* residual;  // [rows, columns] or null
  const T* gamma;     // [columns] or null: ones
  const T* beta;      // [columns] or null: zeros
  Compute<T> eps;
  DropoutRule dropout;
  const Index* row_ids;  // [rows] on the host, or null: row r draws dropout as row r
  T* z;                  // [rows, columns] may be y; null where there is neither residual nor dropout: z is x
  T* y;                  // [rows, columns]
  Compute<T>* mean;      // [rows] or null
  Compute<T>* rstd;      // [rows] or null
};

/// dz = rstd · (g - mean(g) - ẑ · mean(g ∘ ẑ)) with g = dy ∘ gamma, ẑ = (z - mean) · rstd; dresidual = dz and dx is dz
/// through the dropout mask, drawn again. dgamma = Σ dy ∘ ẑ and dbeta = Σ dy over rows, in an order that does not
/// depend on the number of threads.
template <class T>
struct LayerNormBackwardArgs {
  Index rows, columns;
  const T* z;              // [rows, columns]
  const Compute<T>* mean;  // [rows]
  const Compute<T>* rstd;  // [rows]
  const T* gamma;          // [columns] or null
  const T* dy;             // [rows, columns]
  DropoutRule dropout;
  const Index* row_ids;     // as in the forward pass
  GradTarget<T> dx;         // [rows, columns]
  GradTarget<T> dresidual;  // [rows, columns], may be dx (then it adds)
  GradTarget<T> dgamma;     // [columns]
  GradTarget<T> dbeta;      // [columns]
};

}  // namespace cloze::kernels
