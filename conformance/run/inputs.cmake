# SPDX-License-Identifier: Apache-2.0
#
# From a case to the bytes of its tensors.
attest_library(attest_inputs
  SOURCES inputs.cc inputs_arena.cc inputs_masks.cc inputs_merge.cc inputs_pages.cc inputs_place.cc inputs_rows.cc inputs_scales.cc
          inputs_texts.cc inputs_write_kv.cc
  DEPENDS attest_cases attest_reference)

file(GLOB inputs_tests CONFIGURE_DEPENDS inputs*_test.cc)
if(inputs_tests)
  attest_test(attest_inputs_test
    SOURCES ${inputs_tests}
    DEPENDS attest_inputs rapidcheck rapidcheck_gtest)
endif()
