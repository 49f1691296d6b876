# What every program of this project (tests, examples, benchmarks) gets; nothing here reaches a user of cloze::cloze.

# Warnings, and errors where CLOZE_WERROR asks for them.
add_library(cloze_warnings INTERFACE)
target_compile_options(cloze_warnings INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;$<$<BOOL:${CLOZE_WERROR}>:-Werror>>")
# GCC 12 takes the undefined operands in its own AVX-512 intrinsics, and some inlined std::string code, for mistakes.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(cloze_warnings INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:-Wno-uninitialized;-Wno-maybe-uninitialized;-Wno-stringop-overflow;-Wno-stringop-overread>"
    "$<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict;-Wno-array-bounds>")
endif()

# Compiler cache where there is one. A precompiled header needs these to be cached at all.
find_program(CCACHE_PROGRAM ccache)
mark_as_advanced(CCACHE_PROGRAM)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
      "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime" "${CCACHE_PROGRAM}")
endif()

option(CLOZE_SHARE_MODELS "Examples take the models that the tests have compiled, instead of compiling their own" OFF)

# Programs that nvcc compiles. Which GPUs they are for: CMAKE_CUDA_ARCHITECTURES (80: Ampere and, by translation at its
# start, all that came later; 90a-real: Hopper with its own instructions).
option(CLOZE_CUDA_BRIEF "Compile a part of the tests by nvcc, and no example: where there is no GPU to run them on" OFF)
set(cloze_build_cuda OFF)
if(cloze_use_cuda AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 90a-real CACHE STRING "GPU architectures")
  endif()
  if(NOT DEFINED CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_COMPILER "${CUDAToolkit_NVCC_EXECUTABLE}")
  endif()
  set(CMAKE_CUDA_HOST_COMPILER "${CMAKE_CXX_COMPILER}")
  enable_language(CUDA)
  set(cloze_build_cuda ON)
  if(CCACHE_PROGRAM AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
  endif()
endif()
# Makes `target` a program for GPUs: its sources are compiled by nvcc, with the flags of the C++ programs but without their
# warnings: the host's compiler sees what nvcc made of the source and would warn of that. The emulator's build has them.
function(cloze_make_cuda target)
  get_target_property(sources ${target} SOURCES)
  set_source_files_properties(${sources} PROPERTIES LANGUAGE CUDA)
  target_link_libraries(${target} PRIVATE cloze::cuda)
  separate_arguments(flags UNIX_COMMAND "${CMAKE_CXX_FLAGS}")
  list(TRANSFORM flags PREPEND -Xcompiler=)
  target_compile_options(${target} PRIVATE ${flags})
endfunction()

# Where the larger test data lie (a folder that holds data/); tests that need it say so and stop where it is absent.
set(CLOZE_SHARED "$ENV{CLOZE_SHARED}" CACHE PATH "Folder of the larger shared test data")

# Adds a ctest test with the project's labels, time limit and environment. Every test has two threads and counts as two
# processors, so that `ctest --parallel` never makes threads wait for each other; scripts count as one (PROCESSORS 1).
#   cloze_add_test(NAME <name> LABEL <label> [TIMEOUT <seconds>] [PROCESSORS <n>] COMMAND <command>…)
function(cloze_add_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;LABEL;TIMEOUT;PROCESSORS" "COMMAND")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  if(NOT arg_PROCESSORS)
    set(arg_PROCESSORS 2)
  endif()
  set(environment OMP_NUM_THREADS=2)
  if(CLOZE_SHARED)
    list(APPEND environment "CLOZE_SHARED=${CLOZE_SHARED}")
  endif()
  add_test(NAME ${arg_NAME} COMMAND ${arg_COMMAND} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(${arg_NAME} PROPERTIES LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT}
                                              PROCESSORS ${arg_PROCESSORS} ENVIRONMENT "${environment}")
endfunction()
