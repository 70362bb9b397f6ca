# SPDX-License-Identifier: MIT
#
# Included by projects that take ovio in as source, after they have done so:
# nothing of ovio's may have leaked into them.

foreach(property IN ITEMS COMPILE_OPTIONS COMPILE_DEFINITIONS LINK_OPTIONS)
  get_directory_property(value ${property})
  if(value)
    message(FATAL_ERROR "ovio left ${property} behind: ${value}")
  endif()
endforeach()
foreach(property IN ITEMS INTERFACE_COMPILE_OPTIONS INTERFACE_COMPILE_DEFINITIONS)
  get_target_property(value ovio_static ${property})
  if(value)
    message(FATAL_ERROR "ovio_static has ${property}: ${value}")
  endif()
endforeach()
foreach(variable IN ITEMS BUILD_SHARED_LIBS CMAKE_C_STANDARD BUILD_TESTING)
  if(DEFINED ${variable})
    message(FATAL_ERROR "ovio has set ${variable}")
  endif()
endforeach()
foreach(target IN ITEMS ovio_testing ovcp)
  if(TARGET ${target})
    message(FATAL_ERROR "ovio has brought ${target} along")
  endif()
endforeach()
