#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the commands of README.md and of spec/cases/EVAL.md: every line of their "sh readme" blocks, in order, in one
# shell, from the root.
# Stops at the first that fails. Needs the release build.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf build/readme
script=$(mktemp)
trap 'rm -f "$script"' EXIT
awk '/^```sh readme$/ { on = 1; next } /^```$/ { on = 0 } on' README.md spec/cases/EVAL.md >"$script"
[ -s "$script" ] || { echo "ci/readme.sh: README.md has no \"sh readme\" block" >&2; exit 1; }
bash -euxo pipefail "$script"
