#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Takes the picture of README.md again: the report of a mutant, as a browser shows it.
# usage: ci/picture.sh BUILD_DIR   (needs chromium; not part of CI, because fonts differ between machines)
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: ci/picture.sh BUILD_DIR}
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
"$build/bin/attest" certify --backend mutant:window-one-long --tier ci \
  --filter 'windows/causal-chunk/window=5,poison=loud,*' --out "$room/report" >/dev/null 2>&1 || true
# As root chromium refuses its sandbox.
chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
  --window-size=1100,2080 --screenshot="$PWD/ci/report.png" "file://$room/report/report.html" >/dev/null 2>&1
ls -l ci/report.png
