#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Python backends: the bridge's tests, the tutorial as written, and certificates of NumPy and of ONNX Runtime's
# kernels at tier ci. Installs pinned wheels into build/python; without network: exit 3.
#
#     ci/python.sh install | tests | tutorial | certify    [PATH_OF_ATTEST]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/build/python
python=$venv/bin/python
attest=$(realpath "${2:-build/release/bin/attest}")

install() {
  [ -x "$python" ] || python3 -m venv "$venv"
  local pinned=backends/python/requirements.txt
  cmp -s "$pinned" "$venv/installed.txt" && return
  "$python" -m pip install --quiet --disable-pip-version-check -r "$pinned" || exit 3
  cp "$pinned" "$venv/installed.txt"
}

# certify CODE ADAPTER [FLAGS]: exit code CODE is what evidence/foreign says of this adapter.
certify() {
  local code=$1 adapter=$2 got=0 out
  shift 2
  out=build/foreign/${adapter//[:.]/-}
  rm -rf "$out"
  mkdir -p build/foreign
  "$attest" certify --backend "python:attest_backend.adapters.$adapter" --python "$python" --tier ci --diagnose 0 \
    --out "$out" "$@" || got=$?
  [ "$got" -eq "$code" ] || { echo "ci/python.sh: $adapter: exit code $got, not $code" >&2; exit 1; }
  python3 ci/foreign.py check "$out" "conformance/evidence/foreign/deviations.json"
}

case ${1:-} in
  install) install ;;
  tests) ATTEST=$attest "$python" -m unittest discover backends/python/tests ;;
  tutorial) backends/python/tutorial_test.sh "$attest" "$python" ;;
  certify)
    certify 0 numpy_naive:Naive --filter '[a-m]*/*dtype=float32*'
    certify 0 numpy_flash:Flash --filter '[a-m]*/*dtype=bfloat16*'
    certify 1 ort_attention:Attention
    certify 1 ort_gqa:GroupQueryAttention
    certify 1 ort_mha:MultiHeadAttention ;;
  *) echo "usage: ci/python.sh install|tests|tutorial|certify [PATH_OF_ATTEST]" >&2; exit 2 ;;
esac
