#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Holds README.md to its word: the first block of Python is tutorial/first.py, and the blocks "sh tutorial" run
# in an empty directory as they stand. "fails" wants exit code 1, "names WORD" wants WORD in the output.
#
#     backends/python/tutorial_test.sh ATTEST PYTHON
set -euo pipefail
attest=$(realpath "$1")
python=$(command -v "$2")
python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")  # not its target: a venv is known by its link
here=$(cd "$(dirname "$0")" && pwd)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
fail() { echo "tutorial_test: $*" >&2; exit 1; }

# The program and the interpreter of a newcomer: both on the path.
mkdir "$room/bin"
ln -s "$attest" "$room/bin/attest"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$python" >"$room/bin/python3"
chmod +x "$room/bin/python3"
export PATH="$room/bin:$PATH" ATTEST_BIN
ATTEST_BIN=${ATTEST_BIN:-$(dirname "$attest")}

cd "$room"
awk '/^```python$/ { on = 1; next } /^```$/ { if (on) exit } on' "$here/README.md" >first.py
diff <(tail -n +2 "$here/tutorial/first.py") first.py || fail "README.md and tutorial/first.py differ"

blocks=0
while IFS= read -r line; do
  case $line in
    '```sh tutorial'*) wants=$line command= ;;
    '```') [ -z "${wants:-}" ] && continue
      blocks=$((blocks + 1)) code=0
      bash -euo pipefail -c "$command" >log 2>&1 || code=$?
      wanted=0; [[ $wants == *fails* ]] && wanted=1
      [ "$code" -eq "$wanted" ] || { cat log >&2; fail "exit code $code, not $wanted: $command"; }
      [[ $wants == *' names '* ]] && { grep -q "${wants##* names }" log || { cat log >&2; fail "nothing named: $command"; }; }
      wants= ;;
    *) [ -n "${wants:-}" ] && command+=$line$'\n' ;;
  esac
done <"$here/README.md"
[ "$blocks" -eq 4 ] || fail "$blocks commands in README.md"
echo "tutorial_test: $blocks commands ended as README.md says"
