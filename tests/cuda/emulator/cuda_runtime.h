// CUDA C++ for a plain C++ compiler: kernels run on the CPU, as fibers. First on the include path, this file takes the
// place of the toolkit's header. See README.md.
#pragma once

#ifndef CLOZE_CUDA_EMULATOR
#error "the emulator needs -DCLOZE_CUDA_EMULATOR: headers ask for it before they include this one"
#endif

#define __global__
#define __device__
#define __host__
#define __shared__ thread_local
#define __constant__ static
#define __forceinline__ inline
#define __restrict__ __restrict
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

#include "emulator/device_functions.hpp"
#include "emulator/runtime_api.hpp"
#include "emulator/vector_types.hpp"
