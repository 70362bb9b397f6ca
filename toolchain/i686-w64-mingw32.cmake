# SPDX-License-Identifier: MIT
#
# CMake toolchain file: from Linux to Windows on i686, with mingw-w64.
#
#   cmake --toolchain .../toolchain/i686-w64-mingw32.cmake ...

set(OVIO_TRIPLET i686-w64-mingw32)
set(CMAKE_SYSTEM_PROCESSOR i686)
include(${CMAKE_CURRENT_LIST_DIR}/mingw.cmake)
