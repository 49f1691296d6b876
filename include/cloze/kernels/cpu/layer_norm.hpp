// LayerNorm with residual and dropout on Cpu: a row stays in the first cache from its sum to its result.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/dropout_bits.hpp>
#include <cloze/kernels/cpu/row_moments.hpp>
#include <cloze/kernels/cpu/scratch.hpp>
#include <cloze/kernels/cpu/simd.hpp>
#include <cloze/kernels/layer_norm_args.hpp>

namespace cloze::kernels {
namespace detail {

/// Rows whose shares of dgamma and dbeta are added up by one task: fixed, so that the order of additions is.
inline constexpr Index layer_norm_chunk = 32;

}  // namespace detail

template <class T>
void layer_norm_forward(Cpu, const LayerNormArgs<T>& a) {
  using B = xsimd::batch<T>;
  parallel_for(a.rows, rows_per_task(a.columns), [&](Index begin, Index end) {
    T* factors = a.dropout.active() ? thread_scratch<T>(row_factors_size(a.columns)) : nullptr;
    for (Index r = begin; r < end; ++r) {
      const Index first = r * a.columns;
      if (factors) row_dropout_factors(a.dropout, a.row_ids ? a.row_ids[r] : r, a.columns, factors);
      const T* z = a.z ? a.z + first : a.x + first;
      B sums(T(0));
      for_batches<T>(a.columns, [&](Index, auto load, auto store) {
        B value = load(a.x + first);
        if (factors) value *= load(factors);
        if (a.residual) value += load(a.residual + first);
        if (a.z) store(a.z + first, value);
        sums += value;
      });
      const auto [mean, rstd] = row_moments(z, a.columns, a.eps, sums);
      const B shift(mean), factor(rstd);
      for_batches<T>(a.columns, [&](Index, auto load, auto store) {
        B value = (load(z) - shift) * factor;
        if (a.gamma) value *= load(a.gamma);
        if (a.beta) value += load(a.beta);
        store(a.y + first, value);
      });
      if (a.mean) a.mean[r] = mean;
      if (a.rstd) a.rstd[r] = rstd;
    }
  });
}

template <class T>
void layer_norm_backward(Cpu, const LayerNormBackwardArgs<T>& a) {
  using B = xsimd::batch<T>;
  constexpr Index chunk = detail::layer_norm_chunk;
  const Index n = a.columns, chunks = (a.rows + chunk - 1) / chunk;
  const T share = T(1) / static_cast<T>(n);
  const bool parameters = a.dgamma.data || a.dbeta.data;
  const Storage<T, Cpu> partial(parameters ? chunks * 2 * n : 0);  // [chunks, {dgamma, dbeta}, n]
  partial.zero();
  parallel_for(chunks, std::max<Index>(1, rows_per_task(n) / chunk), [&](Index begin, Index end) {
    T* factors = a.dropout.active() && a.dx.data ? thread_scratch<T>(row_factors_size(n)) : nullptr;
    for (Index r = begin * chunk; r < std::min(end * chunk, a.rows); ++r) {
      const Index first = r * n;
      const B mean(a.mean[r]), rstd(a.rstd[r]);
      T* dgamma = parameters ? partial.data() + r / chunk * 2 * n : nullptr;
      B sum_g(T(0)), sum_gz(T(0));
      for_batches<T>(n, [&](Index, auto load, auto store) {
        const B dy = load(a.dy + first), normalised = (load(a.z + first) - mean) * rstd;
        const B g = a.gamma ? dy * load(a.gamma) : dy;  // zero past the end, as dy is
        sum_g += g;
        sum_gz += g * normalised;
        if (dgamma) {
          store(dgamma, load(dgamma) + dy * normalised);
          store(dgamma + n, load(dgamma + n) + dy);
        }
      });
      if (!a.dx.data && !a.dresidual.data) continue;
      if (factors) row_dropout_factors(a.dropout, a.row_ids ? a.row_ids[r] : r, n, factors);
      const B mean_g(xsimd::hadd(sum_g) * share), mean_gz(xsimd::hadd(sum_gz) * share);
      for_batches<T>(n, [&](Index, auto load, auto store) {
        const B dy = load(a.dy + first), normalised = (load(a.z + first) - mean) * rstd;
        const B g = a.gamma ? dy * load(a.gamma) : dy;
        const B dz = rstd * (g - mean_g - normalised * mean_gz);
        const auto put = [&](const GradTarget<T>& target, B value) {
          if (target.data) store(target.data + first, target.add ? load(target.data + first) + value : value);
        };
        put(a.dx, factors ? dz * load(factors) : dz);
        put(a.dresidual, dz);
      });
    }
  });
  if (!parameters) return;
  constexpr Index block = 64;  // columns that one task adds up, chunk by chunk
  parallel_for((n + block - 1) / block, std::max<Index>(1, 16384 / (2 * block * std::max<Index>(1, chunks))),
               [&](Index begin, Index end) {
                 const Index from = begin * block, count = std::min(end * block, n) - from;
                 for (int which = 0; which < 2; ++which) {
                   const GradTarget<T>& target = which == 0 ? a.dgamma : a.dbeta;
                   if (!target.data) continue;
                   for_batches<T>(count, [&](Index, auto load, auto store) {
                     B sum(T(0));
                     for (Index k = 0; k < chunks; ++k) sum += load(partial.data() + (2 * k + which) * n + from);
                     T* out = target.data + from;
                     store(out, target.add ? load(out) + sum : sum);
                   });
                 }
               });
}

}  // namespace cloze::kernels
