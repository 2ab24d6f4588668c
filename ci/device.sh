#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What has run of this script: `--families host`, with and without a stand-in for compute-sanitizer (ci/device_test.sh).
# What has not: any family of cuda or hip on a device, and compute-sanitizer itself. There are no figures of a GPU.
#
# Certifies the GPU families on a machine with a GPU and nothing to install.
#
#     ci/device.sh pack BUILD_DIR FOLDER       here: the programs, the libraries they need beside the C library's own, and
#                                              this script; libattest_cuda.so, libattest_hip.so and
#                                              libattest_hip_nvidia.so (HIP through nvcc) where they were built
#     FOLDER/device.sh run [OPTIONS]           there
#
#     --families LIBRARIES   cuda, hip, hip_nvidia or host, or several: "cuda hip" (default: those in FOLDER but host)
#     --only NAMES           of the families, "flash flex" (default: all six); options may follow a name: flash,device=1
#     --steps STEPS          certify, graph, properties, memcheck, racecheck, timings (default: all). timings: flash and
#                            flex beside torch's scaled_dot_product_attention, where python3 there has torch with CUDA
#     --tier TIER            of certify (default: ci); the sanitizers run smoke
#     --cases N              samples of each law (default: 1000)
#     --evidence DIR         default: conformance/evidence/DEVICE; host has no default, for it is no device
#
# A run that must be short takes some steps or families at a time: evidence of other steps in DIR stays. DIR holds
#     device.txt     device, driver, commit, date
#     steps.txt      a line each: step, backend, outcome, exit code, seconds
#     STEP-BACKEND.txt, certificate-BACKEND.json, timings-BACKEND.json
# Exits with 1 if a step failed, with 3 if nothing ran because no device is there, with 2 for bad usage.
set -uo pipefail

all_families="naive flash flex prefix unified aiter_unified"
all_steps="certify graph properties memcheck racecheck timings"
all_libraries="cuda hip hip_nvidia host"

die() {
  echo "device.sh: $2" >&2
  exit "$1"
}

# ---- pack

# The shared libraries of a program that are not the C library's own.
foreign_libraries() {
  ldd "$@" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(libc|libm|libmvec|libdl|libpthread|librt|libresolv|ld-linux[^/]*)\.so'
}

pack() {
  [ $# -eq 2 ] || die 2 "usage: ci/device.sh pack BUILD_DIR FOLDER"
  local build=$1 folder=$2 here program library
  here=$(cd "$(dirname "$0")/.." && pwd)
  [ ! -e "$folder" ] || [ -z "$(ls -A "$folder")" ] || die 2 "$folder: not empty"
  mkdir -p "$folder/bin" || exit 3
  for program in attest attest-worker; do
    [ -x "$build/bin/$program" ] || die 2 "$build/bin/$program: not built"
    cp "$build/bin/$program" "$folder/bin/"
  done
  for library in $all_libraries; do
    program=$build/bin/libattest_$library.so
    if [ -f "$program" ]; then cp "$program" "$folder/bin/"; else echo "not built: $library"; fi
  done
  # Found by the programs' run path ($ORIGIN), so no tool of that machine gets them instead of its own.
  # A driver's own library (libcuda.so.1) is found there or nowhere.
  foreign_libraries "$folder"/bin/* | grep -vE '/(libcuda|libamdhip64|libhsa)[^/]*$' |
    while read -r library; do cp -L "$library" "$folder/bin/"; done
  cp "$0" "$folder/device.sh"
  cp "$here/conformance/bench/torch_sdpa.py" "$folder/"
  { git -C "$here" rev-parse HEAD; git -C "$here" status --short | sed 's/^/changed: /'; } >"$folder/commit.txt" 2>/dev/null
  echo "packed $(du -sh "$folder" | cut -f1) in $folder"
}

# ---- run

contains() { case " $1 " in *" $2 "*) return 0 ;; *) return 1 ;; esac; }

# Asked of the vendor's own program; a machine without it may have a device all the same.
describe_device() {
  if { contains "$families" cuda || contains "$families" hip_nvidia; } && command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -n 1
  elif contains "$families" hip && command -v rocm-smi >/dev/null; then
    rocm-smi --showproductname --showdriverversion --csv | tail -n +2 | head -n 1
  elif [ "$families" = host ]; then
    echo "fibers of the host processor, no device"
  else
    echo "unknown device, unknown driver"
  fi
}

# record STEP BACKEND OUTCOME CODE SECONDS: the newest line of a step and backend counts.
record() {
  touch "$evidence/steps.txt"
  grep -v "^$1 $2 " "$evidence/steps.txt" >"$evidence/steps.txt.new"
  printf '%s %s %s exit=%s seconds=%s\n' "$1" "$2" "$3" "$4" "$5" >>"$evidence/steps.txt.new"
  mv "$evidence/steps.txt.new" "$evidence/steps.txt"
  printf '%-10s %-20s %-10s exit %-3s %5s s\n' "$1" "$2" "$3" "$4" "$5"
}

# step NAME BACKEND COMMAND...: keeps what it says.
step() {
  local name=$1 backend=$2 start=$SECONDS code=0 outcome=passed
  shift 2
  "$@" >"$evidence/$name-${backend//[^a-zA-Z0-9_.-]/_}.txt" 2>"$room/err" || code=$?
  case $code in
    0) ran=$((ran + 1)) ;;
    3) outcome=no-device absent=$((absent + 1)) ;;
    *) outcome=FAILED ran=$((ran + 1)) failed=$((failed + 1)) ;;
  esac
  record "$name" "$backend" "$outcome" "$code" $((SECONDS - start))
  [ "$code" -eq 0 ] || tail -n 5 "$room/err" | sed 's/^/      | /'
}

certify() {
  local backend=$1 out=$room/certificate
  rm -rf "$out"
  step certify "$backend" "$bin/attest" certify --backend "$backend" --tier "$tier" --out "$out"
  [ ! -f "$out/certificate.json" ] || cp "$out/certificate.json" "$evidence/certificate-${backend//[^a-zA-Z0-9_.-]/_}.json"
}

# sanitize TOOL BACKEND: tier smoke, one worker; deadlines are for speed, and this is slow.
sanitize() {
  if ! command -v compute-sanitizer >/dev/null; then
    record "$1" "$2" not-run - 0
    return
  fi
  step "$1" "$2" compute-sanitizer --tool "$1" --target-processes all --error-exitcode 66 "$bin/attest" certify \
    --backend "$2" --tier smoke --jobs 1 --deadline-floor 600
}

# Only the families of which a figure was asked; a figure of fibers would say nothing.
timings() {
  case $1 in cuda.flash* | cuda.flex* | hip_nvidia.flash* | hip_nvidia.flex*) ;; *) return ;; esac
  if ! python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    record timings "$1" not-run - 0
    return
  fi
  step timings "$1" python3 "$folder/torch_sdpa.py" "$bin/attest" --backend "$1" --device cuda --rounds 3 \
    --out "$evidence/timings-${1//[^a-zA-Z0-9_.-]/_}.json"
}

run_backend() {
  local name
  for name in $steps; do
    case $name in
      certify) certify "$1" ;;
      graph) step graph "$1" "$bin/attest" certify --backend "$1" --tier "$tier" --profile graph ;;
      properties) step properties "$1" "$bin/attest" properties --backend "$1" --cases "$cases" --seed 1 --out "$room/laws" ;;
      memcheck | racecheck) sanitize "$name" "$1" ;;
      timings) timings "$1" ;;
    esac
  done
}

parse_run() {
  families="" only=$all_families steps=$all_steps tier=ci cases=1000 evidence=""
  while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || die 2 "$1: needs a value"
    case $1 in
      --families) families=$2 ;;
      --only) only=$2 ;;
      --steps) steps=$2 ;;
      --tier) tier=$2 ;;
      --cases) cases=$2 ;;
      --evidence) evidence=$2 ;;
      *) die 2 "$1: no such option" ;;
    esac
    shift 2
  done
  local word
  for word in $steps; do contains "$all_steps" "$word" || die 2 "--steps $word: not one of $all_steps"; done
  for word in $only; do contains "$all_families" "${word%%,*}" || die 2 "--only $word: not one of $all_families"; done
  for word in ${families:=$(built_libraries)}; do
    contains "$all_libraries" "$word" || die 2 "--families $word: not one of $all_libraries"
    [ -f "$bin/libattest_$word.so" ] || die 2 "--families $word: libattest_$word.so is not in $bin"
  done
  [ -n "$families" ] || die 2 "no libattest_cuda.so, libattest_hip.so or libattest_hip_nvidia.so is in $bin"
  [ -n "$evidence" ] || ! contains "$families" host || die 2 "--families host: needs --evidence"
}

built_libraries() {
  local library
  for library in ${all_libraries% host}; do [ ! -f "$bin/libattest_$library.so" ] || echo "$library"; done
}

run() {
  local folder device library name
  folder=$(cd "$(dirname "$0")" && pwd)
  bin=$folder/bin
  parse_run "$@"
  device=$(describe_device)
  if [ -z "$evidence" ]; then
    name=$(tr -cs 'a-zA-Z0-9\n' '-' <<<"${device%%,*}" | tr '[:upper:]' '[:lower:]' | sed 's/^-//; s/-$//')
    evidence=conformance/evidence/$name
  fi
  mkdir -p "$evidence" || die 3 "$evidence: cannot be written"
  room=$(mktemp -d) || exit 3
  trap 'rm -rf "$room"' EXIT
  {
    echo "device: $device"
    echo "commit: $(paste -sd' ' "$folder/commit.txt" 2>/dev/null)"
    echo "date: $(date -u +%Y-%m-%d)"
    echo "processor: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
  } >"$evidence/device.txt"
  ran=0 failed=0 absent=0
  for library in $families; do
    for name in $only; do run_backend "$library.$name"; done
  done
  echo "$ran steps ran, $failed failed; evidence in $evidence"
  [ "$failed" -eq 0 ] || exit 1
  [ "$ran" -gt 0 ] || [ "$absent" -eq 0 ] || die 3 "no device"
}

case ${1:-} in
  pack | run) verb=$1 && shift && "$verb" "$@" ;;
  *) die 2 "usage: device.sh pack BUILD_DIR FOLDER, or device.sh run [OPTIONS]" ;;
esac
