# SPDX-License-Identifier: MIT
#
# Install rules: header, libraries, CMake package, pkg-config file, texts.

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ovio)
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES include/ovio.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(OVIO_TESTING)
  install(FILES include/ovio_test.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endif()
install(TARGETS ovio_static ovio_shared EXPORT ovioTargets)

# CMake package.
install(EXPORT ovioTargets NAMESPACE ovio:: DESTINATION ${package_dir})
configure_package_config_file(
  cmake/ovioConfig.cmake.in
  ${PROJECT_BINARY_DIR}/ovioConfig.cmake
  INSTALL_DESTINATION ${package_dir}
)
# Before 1.0 a new minor version may break its users.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/ovioConfigVersion.cmake
  COMPATIBILITY SameMinorVersion
)
install(
  FILES
    ${PROJECT_BINARY_DIR}/ovioConfig.cmake
    ${PROJECT_BINARY_DIR}/ovioConfigVersion.cmake
  DESTINATION ${package_dir}
)

# pkg-config. Its paths are relative to the file, so that the installed tree
# can be moved, unless someone asked for an absolute folder.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  set(OVIO_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH up /${pc_dir} /)
  string(REGEX REPLACE "/$" "" OVIO_PC_PREFIX "\${pcfiledir}/${up}")
endif()
cmake_path(APPEND OVIO_PC_LIBDIR "\${prefix}" ${CMAKE_INSTALL_LIBDIR})
cmake_path(APPEND OVIO_PC_INCLUDEDIR "\${prefix}" ${CMAKE_INSTALL_INCLUDEDIR})
set(OVIO_PC_DEFINITIONS "")
if(OVIO_TESTING)
  set(OVIO_PC_DEFINITIONS " -DOVIO_TESTING")
endif()
configure_file(cmake/ovio.pc.in ${PROJECT_BINARY_DIR}/ovio.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/ovio.pc DESTINATION ${pc_dir})

# Texts; those not written yet are left out.
foreach(text IN ITEMS LICENSE README.md CHANGELOG.md)
  install(FILES ${text} DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
endforeach()
install(
  DIRECTORY docs/
  DESTINATION ${CMAKE_INSTALL_DOCDIR}
  FILES_MATCHING
  PATTERN "*.md"
)
