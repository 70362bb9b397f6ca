# SPDX-License-Identifier: MIT
#
# What the mingw-w64 toolchain files have in common. They set OVIO_TRIPLET.

set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_C_COMPILER ${OVIO_TRIPLET}-gcc)
set(CMAKE_CXX_COMPILER ${OVIO_TRIPLET}-g++)
set(CMAKE_RC_COMPILER ${OVIO_TRIPLET}-windres)

# Libraries and headers come from the toolchain and from the prefixes named
# on the command line, never from the build machine. Packages are searched
# where the caller says, so that CMAKE_PREFIX_PATH and <name>_ROOT work.
set(CMAKE_FIND_ROOT_PATH /usr/${OVIO_TRIPLET} ${CMAKE_PREFIX_PATH})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)
