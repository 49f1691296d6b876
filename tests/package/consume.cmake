# Builds and runs one consumer. An installed tree is moved before it is used, so that no path of the build is left in it.
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${way}: exit status ${status} of ${command}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${work}")
file(MAKE_DIRECTORY "${work}")
set(installed "${work}/moved")
if(way MATCHES "find_package|pkg_config")
  run("${CMAKE_COMMAND}" --install "${build}" --prefix "${work}/installed")
  file(RENAME "${work}/installed" "${installed}")
endif()

if(way STREQUAL "pkg_config")
  set(ENV{PKG_CONFIG_PATH} "${installed}/share/pkgconfig:$ENV{PKG_CONFIG_PATH}")
  run(pkg-config --cflags --libs cloze)
  separate_arguments(flags UNIX_COMMAND "${output}")
  run("${compiler}" -std=c++20 "${CMAKE_CURRENT_LIST_DIR}/main.cpp" -o "${work}/consumer" ${flags})
  run("${work}/consumer")
else()
  run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/${way}" -B "${work}/build" -G "${generator}"
      "-DCMAKE_CXX_COMPILER=${compiler}" "-DCMAKE_PREFIX_PATH=${installed}" "-DCLOZE_OPENMP=${openmp}" "-DCLOZE_ONEDNN=${onednn}"
      "-DFETCHCONTENT_SOURCE_DIR_CLOZE=${repository}" "-Drepository=${repository}")
  run("${CMAKE_COMMAND}" --build "${work}/build")
  run("${work}/build/consumer")
endif()
message(STATUS "${output}")
