# What every program of this project (tests, examples, benchmarks) gets; nothing here reaches a user of cloze::cloze.

# Warnings, and errors where CLOZE_WERROR asks for them.
add_library(cloze_warnings INTERFACE)
target_compile_options(cloze_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow $<$<BOOL:${CLOZE_WERROR}>:-Werror>)
# GCC 12 takes the undefined operands in its own AVX-512 intrinsics, and some inlined std::string code, for mistakes.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(cloze_warnings INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized
                                                  -Wno-stringop-overflow -Wno-stringop-overread -Wno-restrict
                                                  -Wno-array-bounds)
endif()

# Compiler cache where there is one. A precompiled header needs these to be cached at all.
find_program(CCACHE_PROGRAM ccache)
mark_as_advanced(CCACHE_PROGRAM)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
      "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime" "${CCACHE_PROGRAM}")
endif()

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
