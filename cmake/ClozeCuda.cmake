# cloze::cuda: cloze::cloze for sources that nvcc compiles (.cu, or any with the language CUDA). Needs cloze::cloze and the
# CUDA toolkit (CUDAToolkit, with cuBLASLt). Part of the installed package too: find_package(cloze COMPONENTS cuda).

if(NOT TARGET cloze::cuda)
  add_library(cloze::cuda INTERFACE IMPORTED GLOBAL)
  set(cloze_cuda_options
      # Unless the program says CUDA_STANDARD itself, which CMake before 3.26 does not take for 20.
      "$<$<STREQUAL:$<TARGET_PROPERTY:CUDA_STANDARD>,>:-std=c++20>"
      --expt-relaxed-constexpr  # kernels call constexpr functions that the host has too
      # What nvcc's front end says about headers that are not ours, and about GCC's pragmas and names it half knows.
      -diag-suppress=1675,3189,20012,20015)
  get_target_property(cloze_links cloze::cloze INTERFACE_LINK_LIBRARIES)
  if("OpenMP::OpenMP_CXX" IN_LIST cloze_links)
    string(REPLACE " " "," cloze_openmp_flags "${OpenMP_CXX_FLAGS}")
    list(APPEND cloze_cuda_options -Xcompiler=${cloze_openmp_flags})  # its target speaks to the C++ compiler only
  endif()
  set_target_properties(cloze::cuda PROPERTIES
    INTERFACE_LINK_LIBRARIES "cloze::cloze;CUDA::cudart;CUDA::cublasLt"
    INTERFACE_COMPILE_OPTIONS "$<$<COMPILE_LANGUAGE:CUDA>:${cloze_cuda_options}>")
endif()
