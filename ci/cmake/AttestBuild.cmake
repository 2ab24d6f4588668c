# SPDX-License-Identifier: Apache-2.0
#
# One set of flags for the whole build: mixing -march between files that share Eigen types breaks alignment.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

# x86-64-v3 (AVX2, FMA) is what CI machines share; "native" is faster where the build stays at home.
set(ATTEST_MARCH "x86-64-v3" CACHE STRING "-march for every file; empty for the compiler's default")
option(ATTEST_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer in everything" OFF)
option(ATTEST_COVERAGE "gcov instrumentation in everything" OFF)

# Errors where the tests are built; a user's compiler may know warnings that ours does not.
option(ATTEST_WERROR "warnings are errors" ON)
add_compile_options(-Wall -Wextra -Wpedantic)
if(ATTEST_WERROR)
  add_compile_options(-Werror)
endif()
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>)
# Designated initialisers name what differs; the rest has its default on purpose.
add_compile_options(-Wno-missing-field-initializers)
# Excess precision and contraction would make the same source give other bits elsewhere.
add_compile_options(-ffp-contract=off)
if(ATTEST_MARCH AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  add_compile_options(-march=${ATTEST_MARCH})
endif()
if(ATTEST_SANITIZE)
  # Null pointers, objects that are too small and wrong vtables fault under AddressSanitizer as well. A check of
  # alignment at every access doubles the compile time of code that builds JSON: rooms that read tensors by their
  # address ask for it (attest_check_alignment).
  add_compile_options(-fsanitize=address,undefined,float-cast-overflow
                      -fno-sanitize=null,object-size,vptr,alignment -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(ATTEST_FUZZ)  # instrumented for libFuzzer; the target itself brings main
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -Wno-error)
  add_link_options(-fsanitize=address,undefined)
endif()
if(ATTEST_COVERAGE)
  add_compile_options(--coverage -fprofile-abs-path)
  add_link_options(--coverage)
endif()

# For a directory: tensors are read by their address here, at any stride.
macro(attest_check_alignment)
  if(ATTEST_SANITIZE)
    add_compile_options(-fsanitize=alignment)
  endif()
endmacro()

find_program(ATTEST_CCACHE ccache)
if(ATTEST_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${ATTEST_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ATTEST_CCACHE})
endif()

find_package(Eigen3 CONFIG REQUIRED)
find_package(fmt CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(GTest CONFIG REQUIRED)
find_package(rapidcheck CONFIG REQUIRED)
find_package(Threads REQUIRED)
enable_testing()

# Everything that a run needs lies in one directory: the programs, and the built-in backends beside them.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# attest_library(NAME SOURCES... DEPENDS...): a static library that sees the repository root as include path.
function(attest_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS})
endfunction()

# attest_test(NAME SOURCES... DEPENDS... [LABELS...]): one GoogleTest program, one ctest entry. RC_PARAMS fixes
# the seed of rapidcheck, which is random otherwise.
function(attest_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  if(ATTEST_COVERAGE)  # of the product; a test's own lines are not counted
    target_compile_options(${name} PRIVATE -fno-profile-arcs -fno-test-coverage)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 900)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "unit;${ARG_LABELS}"
    ENVIRONMENT "RC_PARAMS=seed=20260101;ATTEST_BIN=${CMAKE_BINARY_DIR}/bin;ATTEST_SOURCE=${PROJECT_SOURCE_DIR}")
endfunction()
