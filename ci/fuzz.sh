#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the fuzzer of the drafter's JSON entry points with clang and runs it on the committed corpus.
# usage: ci/fuzz.sh [SECONDS]   Says so, and succeeds, where there is no clang++.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-15}
compiler=$(command -v clang++-14 || command -v clang++ || true)
if [ -z "$compiler" ]; then
  echo "not built: attest_drafter_fuzz (clang++ not found)"
  exit 0
fi
cmake -S . -B build/fuzz -G Ninja -DATTEST_FUZZ=ON -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS=-O1 \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_C_COMPILER="${compiler/++/}" >/dev/null
cmake --build build/fuzz --target attest_drafter_fuzz
mkdir -p build/fuzz/found
build/fuzz/bin/attest_drafter_fuzz -max_total_time="$seconds" -max_len=4096 -timeout=10 -seed=1 \
  -print_final_stats=1 -artifact_prefix=build/fuzz/ build/fuzz/found conformance/drafter/fuzz/corpus
