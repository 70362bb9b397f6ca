# SPDX-License-Identifier: MIT
#
# The static library. Names that the parts of the library share with each other
# must not clash with a program's own, and an archive knows no visibility: so
# the objects are linked into one, in which all names but the API's are local.

function(ovio_archive target)
  find_program(OVIO_OBJCOPY NAMES ${CMAKE_OBJCOPY} objcopy)
  mark_as_advanced(OVIO_OBJCOPY)
  set(plain FALSE)
  if(APPLE OR MSVC OR NOT OVIO_OBJCOPY)
    set(plain TRUE) # no such tool
  elseif(OVIO_COVERAGE OR (OVIO_SANITIZE AND NOT WIN32))
    set(plain TRUE) # these find their own names by the linker
  elseif(CMAKE_INTERPROCEDURAL_OPTIMIZATION OR "${CMAKE_C_FLAGS}" MATCHES -flto)
    set(plain TRUE)
  endif()
  if(plain)
    ovio_library(${target})
    if(OVIO_TESTING)
      ovio_faults(${target})
    endif()
    return()
  endif()

  add_library(ovio_objects OBJECT)
  ovio_library(ovio_objects)
  if(OVIO_TESTING)
    ovio_faults(ovio_objects)
    target_compile_definitions(${target} INTERFACE OVIO_TESTING)
  endif()
  set_target_properties(
    ovio_objects
    PROPERTIES
      POSITION_INDEPENDENT_CODE ON # the archive may end in a shared library
      EXCLUDE_FROM_ALL ON
  )
  set(one ${CMAKE_CURRENT_BINARY_DIR}/ovio${CMAKE_C_OUTPUT_EXTENSION})
  add_custom_command(
    OUTPUT ${one}
    COMMAND
      ${CMAKE_C_COMPILER} -r -nostdlib -o ${one}
      $<TARGET_OBJECTS:ovio_objects>
    COMMAND
      ${OVIO_OBJCOPY} --wildcard "--keep-global-symbol=ovio_*"
      "--keep-global-symbol=_ovio_*" ${one}
    DEPENDS ovio_objects $<TARGET_OBJECTS:ovio_objects>
    COMMAND_EXPAND_LISTS
    VERBATIM
    COMMENT "Linking the objects of libovio.a into one"
  )
  set_source_files_properties(
    ${one}
    PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE
  )
  target_sources(${target} PRIVATE ${one})
  ovio_interface(${target})
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C)
endfunction()
