# SPDX-License-Identifier: Apache-2.0
#
# What every build of the GPU backends compiles; the runtime is each build's own.
#
# The host side, by the C++ compiler everywhere.
set(ATTEST_GPU_HOST_SOURCES
  abi.cc call.cc claims.cc device_check.cc families.cc options.cc problem_check.cc tensors.cc
  aiter_unified/aiter_unified.cc cache/write_kv_call.cc graph/captured.cc graph/persistent_copy_call.cc
  merge/merge_call.cc)
# Kernels and their plans, by the compiler of the device.
set(ATTEST_GPU_KERNEL_SOURCES
  cache/write_kv_instances.cc flash/flash_instances.cc flex/flex_instances.cc graph/metadata_instances.cc
  graph/persistent_copy_instances.cc merge/merge_instances.cc naive/naive_instances.cc
  prefix/prefix_instances.cc unified/unified_instances.cc)
list(TRANSFORM ATTEST_GPU_HOST_SOURCES PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
list(TRANSFORM ATTEST_GPU_KERNEL_SOURCES PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
