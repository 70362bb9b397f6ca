# SPDX-License-Identifier: MIT
#
# How tasks are switched on POSIX: in assembly where there is some for this
# processor, with ucontext elsewhere or when asked for.

set(switch "")
if(NOT OVIO_UCONTEXT AND CMAKE_SIZEOF_VOID_P EQUAL 8 AND NOT APPLE)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    set(switch posix/switch_x86_64.S)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(switch posix/switch_aarch64.S)
  endif()
endif()

if(switch)
  enable_language(ASM)
  list(APPEND OVIO_SOURCES ${switch})
  list(APPEND OVIO_DEFINITIONS OVIO_SWITCH_ASM=1)
endif()
