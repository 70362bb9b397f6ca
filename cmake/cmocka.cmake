# SPDX-License-Identifier: MIT
#
# Looks for cmocka and decides whether tests are built by default. Everything
# but the tests does without it.

set(OVIO_TESTS_DEFAULT OFF)

function(ovio_find_cmocka)
  # For Windows, toolchain/cmocka-mingw.sh leaves it here.
  set(prefix ${PROJECT_SOURCE_DIR}/build/cmocka/${OVIO_TRIPLET})
  if(CMAKE_CROSSCOMPILING AND NOT CMAKE_FIND_ROOT_PATH STREQUAL "")
    list(APPEND CMAKE_FIND_ROOT_PATH ${prefix})
  endif()
  find_path(OVIO_CMOCKA_INCLUDE_DIR cmocka.h HINTS ${prefix}/include)
  find_library(
    OVIO_CMOCKA_LIBRARY
    NAMES cmocka cmocka-static
    HINTS ${prefix}/lib
  )
  mark_as_advanced(OVIO_CMOCKA_INCLUDE_DIR OVIO_CMOCKA_LIBRARY)
endfunction()

if(PROJECT_IS_TOP_LEVEL OR OVIO_BUILD_TESTS)
  ovio_find_cmocka()
  if(OVIO_CMOCKA_INCLUDE_DIR AND OVIO_CMOCKA_LIBRARY)
    if(PROJECT_IS_TOP_LEVEL)
      set(OVIO_TESTS_DEFAULT ON)
    endif()
  elseif(OVIO_BUILD_TESTS)
    message(FATAL_ERROR "ovio: OVIO_BUILD_TESTS is on, but there is no cmocka")
  elseif(NOT DEFINED OVIO_BUILD_TESTS)
    message(STATUS "ovio: no cmocka found, so no tests are built")
  endif()
endif()
