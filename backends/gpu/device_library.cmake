# SPDX-License-Identifier: Apache-2.0
#
# attest_device_library(NAME COMPILER program COMPILE flags... LINK flags...): libattest_NAME.so, the kernels built by
# a GPU compiler. Its own commands, not a language of the project: the flags of the host compiler mean nothing to it.
# Built on demand (--target attest_NAME), because it takes minutes. What the compiler says of a source (registers,
# spills) is kept beside its object.
include(${CMAKE_CURRENT_LIST_DIR}/sources.cmake)
set(ATTEST_GPU_DEVICE_RUNTIME ${CMAKE_CURRENT_LIST_DIR}/runtime_device.cc)

# Adds one object and its command to `objects` of the caller.
function(attest_device_object name source)
  get_filename_component(base ${source} NAME_WE)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${base}.o)
  add_custom_command(OUTPUT ${object}
    COMMAND ${PROJECT_SOURCE_DIR}/backends/gpu/logged.sh ${object}.log ${ATTEST_CCACHE} ${ARGN}
            -std=c++20 -I${PROJECT_SOURCE_DIR} -MD -MT ${object} -MF ${object}.d -c ${source} -o ${object}
    DEPENDS ${source}
    DEPFILE ${object}.d
    COMMENT "${name}: ${base}"
    VERBATIM)
  set(objects ${objects} ${object} PARENT_SCOPE)
endfunction()

function(attest_device_library name)
  cmake_parse_arguments(ARG "" "COMPILER" "COMPILE;LINK" ${ARGN})
  set(objects)
  foreach(source IN LISTS ATTEST_GPU_KERNEL_SOURCES ATTEST_GPU_DEVICE_RUNTIME)
    attest_device_object(${name} ${source} ${ARG_COMPILER} ${ARG_COMPILE})
  endforeach()
  foreach(source IN LISTS ATTEST_GPU_HOST_SOURCES)
    attest_device_object(${name} ${source} ${CMAKE_CXX_COMPILER} -O3 -fPIC -fvisibility=hidden -Wall -Wextra
                         -Wno-missing-field-initializers)
  endforeach()
  set(library ${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/libattest_${name}.so)
  add_custom_command(OUTPUT ${library}
    COMMAND ${ARG_COMPILER} -shared ${ARG_LINK} ${objects} -o ${library}
    DEPENDS ${objects} ${PROJECT_SOURCE_DIR}/backends/exports.map
    COMMENT "${name}: ${library}"
    VERBATIM)
  add_custom_target(attest_${name} DEPENDS ${library})
endfunction()
