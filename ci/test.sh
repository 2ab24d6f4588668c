#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What CI runs, from a fresh Debian 12: lints, unit tests and tier smoke under ASan and UBSan with coverage, tier ci
# in the release build, the README's commands. Ends with "N passed, N failed" and exits 1 if a step failed.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
logs=$root/build/logs
mkdir -p "$logs"

passed=0
failed=0
# step NAME COMMAND...: runs it, prints its last lines when it fails, counts.
step() {
  local name=$1 log start
  shift
  log=$logs/${name// /-}.log
  start=$SECONDS
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok    %-44s %4d s\n' "$name" $((SECONDS - start))
  else
    failed=$((failed + 1))
    printf 'FAIL  %-44s %4d s   whole log: %s\n' "$name" $((SECONDS - start)) "$log"
    tail -n 40 "$log" | sed 's/^/      | /'
  fi
}
# show PATTERN NAME: the lines of a step's log that belong into the summary.
show() { grep -hE "$1" "$logs/${2// /-}.log" 2>/dev/null | sed 's/^-- //; s/^/      /'; }
# expect CODE COMMAND...: succeeds when the command exits with CODE.
expect() {
  local wanted=$1 got=0
  shift
  "$@" || got=$?
  [ "$got" -eq "$wanted" ] || { echo "exit code $got, wanted $wanted: $*"; return 1; }
}
# named ID COMMAND...: succeeds when the command exits with 1 and says that this known mistake explains it.
named() {
  local id=$1 text
  shift
  text=$(expect 1 "$@") || { echo "$text"; return 1; }
  echo "$text"
  grep -q "behaves like $id " <<<"$text"
}
finish() {
  echo
  echo "$passed passed, $failed failed"
  exit $((failed > 0))
}

step "install packages" ci/install.sh
[ "$failed" -eq 0 ] || finish

step "lint" ci/lint.sh
step "lint rules fail on violations" ci/lint_test.sh

step "configure everyday" cmake --preset coverage
show '^-- not built' "configure everyday"
step "build everyday (ASan, UBSan)" cmake --build --preset coverage
if [ "$failed" -eq 0 ]; then
  bin=$root/build/coverage/bin
  rm -rf build/coverage/smoke
  step "unit tests (ASan, UBSan)" ctest --preset coverage --no-tests=error -j 2
  show '^[0-9]+% tests passed' "unit tests (ASan, UBSan)"
  step "smoke (ASan, UBSan)" "$bin/attest" certify --backend cpu --tier smoke --out build/coverage/smoke
  step "smoke of the tutorial backend (ASan, UBSan)" "$bin/attest" certify --tier smoke \
    --backend build/coverage/test/libattest_first.so
  for family in flash flex unified aiter_unified prefix naive; do
    step "smoke of host.$family (ASan, UBSan)" "$bin/attest" certify --backend host.$family --tier smoke
  done
  step "line coverage above the floors" coverage/lines.sh build/coverage
  show '^coverage:' "line coverage above the floors"
fi

step "configure release" cmake --preset release
show '^-- not built' "configure release"
step "tidy" ci/tidy.sh build/release
# The tests ran instrumented above; what is certified here are the programs.
step "build release" cmake --build --preset release --target \
  attest attest-worker attest_python attest_cpu attest_host attest_mutant attest_null attest_suite \
  attest-coverage attest_drafter_laws_test
if [ -x build/release/bin/attest ]; then
  bin=$root/build/release/bin
  rm -rf build/certificate build/host build/null build/shards build/merged build/properties
  step "certify cpu, tier ci" "$bin/attest" certify --backend cpu --tier ci --out build/certificate
  show '^(cpu|verdict|conformant|cases)' "certify cpu, tier ci"
  step "verify the certificate" "$bin/attest" verify build/certificate
  # A quarter of tier ci each, evenly drawn: the whole is minutes a family on two cores.
  for family in flash flex unified aiter_unified prefix; do
    step "certify host.$family, a quarter of tier ci" "$bin/attest" certify --backend host.$family --tier ci \
      --shard 1/4 --out build/host/$family
  done
  for family in flash flex unified aiter_unified prefix naive; do
    for order in reversed shuffled; do
      step "smoke of host.$family, $order" "$bin/attest" certify --backend host.$family,order=$order --tier smoke
    done
  done
  step "smoke of host.flash on an emulated matrix unit" "$bin/attest" certify --tier smoke \
    --backend host.flash,matrix_unit=emulated
  step "a device that has too little is refused" expect 3 "$bin/attest" certify --tier smoke \
    --backend host.flash,shared_kib=16
  step "the script for a device, without one" ci/device_test.sh build/release
  step "build for the race check" cmake --build --preset release --target attest_race
  step "no race in the kernels" backends/host/race.sh build/release
  show '^(planted|host)' "no race in the kernels"
  if command -v nvcc >/dev/null; then
    step "build for CUDA" cmake --build --preset release --target attest_cuda
    step "flash keeps its tile in registers" backends/gpu/no_spills.sh \
      build/release/backends/cuda/flash_instances.o.log 'TileWork<attest::gpu::TileConfig<128>'
    show '^TileWork' "flash keeps its tile in registers"
    step "causal flash pays nothing for the rest" backends/gpu/causal_alone.sh nvcc
    show '^flash' "causal flash pays nothing for the rest"
    if ! command -v nvidia-smi >/dev/null; then
      step "without a device CUDA is refused" expect 3 "$bin/attest" certify --backend cuda.flash --tier smoke
    fi
  fi
  if command -v hipcc >/dev/null; then
    step "build for HIP" cmake --build --preset release --target attest_hip
    if [ ! -e /dev/kfd ]; then
      step "without a device HIP is refused" expect 3 "$bin/attest" certify --backend hip.flash --tier smoke
    fi
    if command -v clang++-19 >/dev/null; then
      step "kernels compile for gfx942" cmake --build --preset release --target attest_hip_gfx942
    fi
    if command -v nvcc >/dev/null && ! command -v nvidia-smi >/dev/null; then
      step "build HIP for NVIDIA" cmake --build --preset release --target attest_hip_nvidia
      step "without a device that is refused too" expect 3 "$bin/attest" certify --backend hip_nvidia.flash --tier smoke
    fi
  fi
  step "null is not claimed" expect 1 "$bin/attest" certify --backend null --tier ci --out build/null
  step "every mutant is killed by tier ci" "$bin/attest" kill --tier ci --jobs 2 --out build/kill.json
  show '^(all|tier)' "every mutant is killed by tier ci"
  step "the mutants of smoke are killed by smoke" "$bin/attest" kill --tier smoke --jobs 2
  step "the scalar attention passes smoke" "$bin/attest" certify --backend mutant:faithful --tier smoke
  step "a mutant does not" expect 1 "$bin/attest" certify --backend mutant:causal-top-left --tier smoke
  step "laws hold on random problems" "$bin/attest" properties --backend cpu --cases 200
  show '^[0-9]+ samples tried' "laws hold on random problems"
  # Seconds a family: samples are small, and a fiber a thread is slow.
  for family in naive flash flex unified aiter_unified prefix; do
    step "laws hold for host.$family" "$bin/attest" properties --backend host.$family --cases 60 --seed 11 \
      --out build/properties-host
  done
  step "a mutant breaks a law" expect 1 "$bin/attest" properties --backend mutant:window-one-long \
    --law masked-keys --out build/properties
  step "the saved sample shows it again" expect 1 "$bin/attest" replay \
    build/properties/masked-keys.json --backend mutant:window-one-long
  step "two shards" sh -c "'$bin/attest' certify --backend cpu --tier smoke --shard 1/2 --out build/shards/1 &&
                           '$bin/attest' certify --backend cpu --tier smoke --shard 2/2 --out build/shards/2"
  step "merge the shards" "$bin/attest" merge build/shards/1 build/shards/2 --out build/merged
  step "no change, no regression" "$bin/attest" diff build/merged build/merged
  step "which family serves which drafter" sh -c \
    "ci/drafter_matrix.sh '$bin/attest' | diff - conformance/evidence/drafters.md"
  step "a drafter's problems are served" "$bin/attest" certify --backend cpu --profile dflash \
    --drafter spec/drafter/configs/qwen3-8b-dflash.json
  step "the drafter model agrees with itself" "$bin/attest" drafter check --impl "'$bin/attest' drafter serve"
  step "a wrong drafter does not" expect 1 "$bin/attest" drafter check \
    --impl "'$bin/attest' drafter serve --mutant drafter-inherits-target-backend"
  show 'known mistake gives|^  drafter-inherits' "a wrong drafter does not"
  step "a million configurations keep the laws" env ATTEST_DRAFTER_SAMPLES=1000000 \
    build/release/test/attest_drafter_laws_test
  # cpu claims everything, so the clauses about refusals are null's to keep.
  step "every MUST clause has a passing case" "$bin/attest-coverage" build/certificate/records.jsonl \
    build/null/records.jsonl
  show '^clause matrix' "every MUST clause has a passing case"
  # A claim that went missing would pass as an empty run: these have it or fail.
  for claimant in cpu mutant:faithful; do
    for profile in graph batch-invariant; do
      step "$claimant claims $profile" "$bin/attest" certify --backend "$claimant" --tier ci --profile "$profile"
    done
  done
  step "null claims no graphs" expect 1 "$bin/attest" certify --backend null --tier ci --profile graph
  for family in flash flex unified aiter_unified prefix naive; do
    step "host.$family claims graph" "$bin/attest" certify --backend "host.$family" --tier ci --profile graph
  done
  for mistake in table-as-strided eager-fallback; do
    step "host.flash with $mistake is named" named "graph-$mistake" "$bin/attest" certify --tier smoke \
      --profile graph --backend "host.flash,graph_mistake=$mistake"
  done
  step "graph suite through GoogleTest" build/release/bin/attest_suite --backend cpu --tier ci \
    --require graph,batch-invariant --gtest_filter='graph/*' --gtest_brief=1
  step "suite through GoogleTest" env ATTEST_BACKEND=cpu build/release/bin/attest_suite --gtest_brief=1
  step "killed runs resume to the same records" ci/resume_test.sh "$bin/attest"
  step "the tutorial backend" backends/tutorial_test.sh "$bin/attest"
  step "install NumPy and ONNX Runtime" ci/python.sh install "$bin/attest"
  step "bridge to Python" ci/python.sh tests "$bin/attest"
  step "the tutorial in Python" ci/python.sh tutorial "$bin/attest"
  step "certify NumPy and ONNX Runtime" ci/python.sh certify "$bin/attest"
  show 'cases, .* explained by' "certify NumPy and ONNX Runtime"
  step "the published vectors of ONNX" build/python/bin/python conformance/eval/onnx_vectors.py "$bin/attest"
  show '^onnx ' "the published vectors of ONNX"
  step "the commands of the README" ci/readme.sh
fi
step "fuzz the JSON of drafters" ci/fuzz.sh 15
show '^not built|^stat::number_of_executed_units' "fuzz the JSON of drafters"
finish
