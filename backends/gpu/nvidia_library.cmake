# SPDX-License-Identifier: Apache-2.0
#
# attest_nvidia_library(NAME flags...): libattest_NAME.so by nvcc. CUDA's runtime is linked in: only a driver is needed
# where it runs. `flags` are nvcc's, for sources alone.
include(${CMAKE_CURRENT_LIST_DIR}/device_library.cmake)

function(attest_nvidia_library name)
  set(kinds)
  foreach(kind IN ITEMS 80 90)
    list(APPEND kinds -gencode arch=compute_${kind},code=sm_${kind})
  endforeach()
  attest_device_library(${name}
    COMPILER ${ATTEST_nvcc}
    COMPILE -x cu -O3 ${kinds} -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra ${ARGN}
    LINK ${kinds} -cudart static -Xlinker --version-script=${PROJECT_SOURCE_DIR}/backends/exports.map)
endfunction()
