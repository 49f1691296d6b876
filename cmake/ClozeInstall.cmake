# Headers, the CMake package and the pkg-config file. All of it is text that fits any architecture, so it goes to share/.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/cloze")
install(TARGETS cloze EXPORT cloze-targets FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT cloze-targets NAMESPACE cloze:: DESTINATION "${package_dir}")

configure_package_config_file(cmake/cloze-config.cmake.in "${PROJECT_BINARY_DIR}/cloze-config.cmake"
                              INSTALL_DESTINATION "${package_dir}")
# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/cloze-config-version.cmake"
                                 COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/cloze-config.cmake" "${PROJECT_BINARY_DIR}/cloze-config-version.cmake"
              cmake/Findutf8proc.cmake cmake/FindoneDNN.cmake cmake/ClozeCuda.cmake
        DESTINATION "${package_dir}")

# utf8proc 2.8 calls itself 2.6 in its own .pc file, so ours asks for no more than that.
# The .pc file finds its prefix from its own place, so an installed tree can be moved.
set(pc_openmp "")
if(CLOZE_OPENMP)
  set(pc_openmp "${OpenMP_CXX_FLAGS}")
endif()
set(pc_onednn_flags "")
set(pc_onednn_libs "")
if(cloze_use_onednn)
  set(pc_onednn_flags "-DCLOZE_WITH_ONEDNN")
  set(pc_onednn_libs "-ldnnl")
endif()
file(RELATIVE_PATH pc_prefix "/root/${CMAKE_INSTALL_DATADIR}/pkgconfig" "/root")
configure_file(cmake/cloze.pc.in "${PROJECT_BINARY_DIR}/cloze.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/cloze.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
