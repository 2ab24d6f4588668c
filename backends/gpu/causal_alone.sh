#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: causal_alone.sh NVCC [FLAGS...]   Does the causal path of `flash` pay for the non-causal one? Builds the kernels
# with both (sm_90) and, with FLAGS, the causal ones alone, and fails unless each causal kernel is the same machine code
# in both. Then no timing can tell them apart.
set -euo pipefail
nvcc=${1:?usage: causal_alone.sh NVCC [FLAGS...]}
shift
cd "$(dirname "$0")/../.."
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

build() {
  local out=$1
  shift
  "$nvcc" -x cu -O3 -std=c++20 -I. -cubin -arch=sm_90 "$@" backends/gpu/flash/flash_instances.cc -o "$room/$out"
}
build both
build alone -DATTEST_CAUSAL_ONLY "$@"

sections() { readelf -SW "$room/$1" 2>/dev/null | grep -oE ' \.text\.[^ ]+' | sort; }
code() { readelf -x "$2" "$room/$1" 2>/dev/null; }
total=0 differ=0
for section in $(sections alone); do
  total=$((total + 1))
  cmp -s <(code both "$section") <(code alone "$section") || { differ=$((differ + 1)); echo "differs: ${section#.text.}" | c++filt; }
done
echo "flash: $total causal kernels of $(sections both | wc -l), $differ differ from a build of them alone"
[ "$total" -gt 0 ] && [ "$differ" -eq 0 ]
