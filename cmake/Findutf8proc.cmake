# Finds utf8proc, which many distributions ship without a CMake package.
# Defines utf8proc::utf8proc, utf8proc_FOUND and utf8proc_VERSION. Hint: utf8proc_ROOT.

find_path(utf8proc_INCLUDE_DIR utf8proc.h)
find_library(utf8proc_LIBRARY NAMES utf8proc utf8proc_static)
mark_as_advanced(utf8proc_INCLUDE_DIR utf8proc_LIBRARY)

if(utf8proc_INCLUDE_DIR)
  file(STRINGS "${utf8proc_INCLUDE_DIR}/utf8proc.h" utf8proc_version_lines
       REGEX "^#define UTF8PROC_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
  list(TRANSFORM utf8proc_version_lines REPLACE "^#define UTF8PROC_VERSION_[A-Z]+ +([0-9]+).*$" "\\1")
  list(JOIN utf8proc_version_lines "." utf8proc_VERSION)
  unset(utf8proc_version_lines)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(utf8proc REQUIRED_VARS utf8proc_LIBRARY utf8proc_INCLUDE_DIR
                                  VERSION_VAR utf8proc_VERSION)

if(utf8proc_FOUND AND NOT TARGET utf8proc::utf8proc)
  add_library(utf8proc::utf8proc UNKNOWN IMPORTED)
  set_target_properties(utf8proc::utf8proc PROPERTIES IMPORTED_LOCATION "${utf8proc_LIBRARY}"
                                                      INTERFACE_INCLUDE_DIRECTORIES "${utf8proc_INCLUDE_DIR}")
endif()
