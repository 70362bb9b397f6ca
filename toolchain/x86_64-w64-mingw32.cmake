# SPDX-License-Identifier: MIT
#
# CMake toolchain file: from Linux to Windows on x86_64, with mingw-w64.
#
#   cmake --toolchain .../toolchain/x86_64-w64-mingw32.cmake ...

set(OVIO_TRIPLET x86_64-w64-mingw32)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
include(${CMAKE_CURRENT_LIST_DIR}/mingw.cmake)

# Tests run under Wine where the wrapper is at hand.
if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/wine.sh)
  set(CMAKE_CROSSCOMPILING_EMULATOR sh ${CMAKE_CURRENT_LIST_DIR}/wine.sh)
endif()
