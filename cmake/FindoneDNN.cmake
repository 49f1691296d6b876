# Finds oneDNN built on OpenMP. The library's own CMake package asks for OpenCL's development files, which its CPU part
# does not need. Defines oneDNN::oneDNN, oneDNN_FOUND and oneDNN_VERSION. Hint: oneDNN_ROOT.

find_path(oneDNN_INCLUDE_DIR oneapi/dnnl/dnnl.h)
find_library(oneDNN_LIBRARY NAMES dnnl)
mark_as_advanced(oneDNN_INCLUDE_DIR oneDNN_LIBRARY)

unset(oneDNN_on_openmp)
if(oneDNN_INCLUDE_DIR)
  file(STRINGS "${oneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h" oneDNN_version_lines
       REGEX "^#define DNNL_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
  list(TRANSFORM oneDNN_version_lines REPLACE "^#define DNNL_VERSION_[A-Z]+ +([0-9]+).*$" "\\1")
  list(JOIN oneDNN_version_lines "." oneDNN_VERSION)
  unset(oneDNN_version_lines)
  # Other runtimes bring threads of their own, which do not know of ours.
  file(STRINGS "${oneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_config.h" oneDNN_on_openmp
       REGEX "^#define DNNL_CPU_THREADING_RUNTIME DNNL_RUNTIME_OMP")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(oneDNN REQUIRED_VARS oneDNN_LIBRARY oneDNN_INCLUDE_DIR oneDNN_on_openmp
                                  VERSION_VAR oneDNN_VERSION)

if(oneDNN_FOUND AND NOT TARGET oneDNN::oneDNN)
  add_library(oneDNN::oneDNN UNKNOWN IMPORTED)
  set_target_properties(oneDNN::oneDNN PROPERTIES IMPORTED_LOCATION "${oneDNN_LIBRARY}"
                                                  INTERFACE_INCLUDE_DIRECTORIES "${oneDNN_INCLUDE_DIR}")
endif()
