#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Certifies every library that can be installed here and writes conformance/evidence/foreign. Hours, and some
# gigabytes of wheels (torch): not part of ci/test.sh. Exits 1 if a failure is not explained in deviations.json.
#
#     ci/foreign.sh [PATH_OF_ATTEST]      FOREIGN_TORCH_PYTHON: an interpreter that has torch already
set -euo pipefail
cd "$(dirname "$0")/.."
attest=$(realpath "${1:-build/release/bin/attest}")
evidence=conformance/evidence/foreign
mkdir -p build/foreign
ci/python.sh install "$attest"

# venv NAME PACKAGES...: prints its interpreter; nothing where the packages cannot be had.
venv() {
  local room=build/foreign-$1
  shift
  [ -x "$room/bin/python" ] || python3 -m venv "$room"
  "$room/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2 || return 0
  echo "$PWD/$room/bin/python"
}
ort=$PWD/build/python/bin/python
torch=${FOREIGN_TORCH_PYTHON:-$(venv torch torch==2.15.0 numpy==2.4.6)}
jax=$(venv jax jax==0.10.2 ml_dtypes==0.6.0 numpy==2.4.6)
mlx=$(venv mlx 'mlx[cpu]==0.32.4' ml_dtypes==0.6.0 numpy==2.4.6)

runs=()
# run PYTHON ADAPTER [FLAGS]: one certificate; its failures must be explained.
run() {
  local python=$1 adapter=$2 out code=0
  shift 2
  out=build/foreign/${adapter//[:.]/-}
  [ -n "$python" ] || { echo "not installed: $adapter"; return; }
  runs+=("$out")
  if [ ! -f "$out/certificate.json" ]; then
    rm -rf "$out"
    "$attest" certify --backend "python:attest_backend.adapters.$adapter" --python "$python" --tier ci --diagnose 3 \
      --deadline-floor 60 --out "$out" "$@" >"$out.txt" 2>"$out.err" || code=$?
    [ "$code" -le 1 ] || { echo "$adapter: exit code $code"; tail -n 3 "$out.err"; exit 1; }
  fi
  python3 ci/foreign.py check "$out" "$evidence/deviations.json"
}

for kernel in numpy_naive:Naive numpy_flash:Flash ort_attention:Attention ort_attention:AttentionHalf \
  ort_gqa:GroupQueryAttention ort_mha:MultiHeadAttention; do
  run "$ort" "$kernel"
done
for dtype in float32 float16 bfloat16; do
  for kernel in Flash Math; do run "$torch" "torch_sdpa:${kernel}_$dtype"; done
  run "$torch" "torch_flex:Direct_$dtype"
  run "$jax" "jax_dot_product:DotProduct_$dtype"
  run "$mlx" "mlx_sdpa:Sdpa_$dtype"
done
# Dynamo traces anew, and each shape is compiled anew: a few cases of each kind.
run "$torch" torch_flex:Flex_float32 --filter 'softcap/caps/*'
run "$torch" torch_flex:Compiled_float32 --filter 'masks/causal-*'
python3 ci/foreign.py report "$attest" "$evidence/deviations.json" "${runs[@]}"
python3 ci/foreign.py pictures "$attest" "$evidence/deviations.json" "ort=$ort" "torch=$torch" "jax=$jax" "mlx=$mlx"
"$ort" conformance/eval/onnx_vectors.py "$attest" --json "$evidence/onnx_vectors.json"
