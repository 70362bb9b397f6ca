# SPDX-License-Identifier: MIT
#
# Compiler flags of this project's own targets. All of them are private to
# the target: nothing of this reaches a project that uses the library.

set(OVIO_COMPILE_OPTIONS -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
set(OVIO_LINK_OPTIONS "")

if(OVIO_WERROR)
  list(APPEND OVIO_COMPILE_OPTIONS -Werror)
endif()

if(OVIO_SANITIZE AND WIN32)
  # mingw-w64 has no sanitizer runtime, but a trap needs none.
  list(
    APPEND OVIO_COMPILE_OPTIONS
    -fsanitize=undefined
    -fsanitize-undefined-trap-on-error
  )
elseif(OVIO_SANITIZE)
  list(
    APPEND OVIO_COMPILE_OPTIONS
    -fsanitize=${OVIO_SANITIZE}
    -fno-sanitize-recover=all
    -fno-omit-frame-pointer
  )
  list(APPEND OVIO_LINK_OPTIONS -fsanitize=${OVIO_SANITIZE})
endif()

if(OVIO_COVERAGE)
  # Counters are shared by threads: without atomic ones some are lost.
  list(
    APPEND OVIO_COMPILE_OPTIONS
    -O0
    --coverage
    -fprofile-update=atomic
  )
  list(APPEND OVIO_LINK_OPTIONS --coverage)
endif()

function(ovio_flags target)
  target_compile_options(${target} PRIVATE ${OVIO_COMPILE_OPTIONS})
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    # Whoever links the instrumented archive in this tree needs the runtime.
    foreach(option IN LISTS OVIO_LINK_OPTIONS)
      target_link_options(${target} INTERFACE $<BUILD_INTERFACE:${option}>)
    endforeach()
  else()
    target_link_options(${target} PRIVATE ${OVIO_LINK_OPTIONS})
  endif()
  set_target_properties(
    ${target}
    PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
  )
endfunction()
