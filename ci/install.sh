#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the packages of ci/packages.txt that this machine lacks. Needs root or sudo only if some are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
while read -r package; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
done < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' ci/packages.txt)
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "ci/install.sh: need root or sudo to install: ${missing[*]}" >&2; exit 3; }
  as_root=(sudo)
fi
log=$(mktemp)
if ! { "${as_root[@]}" apt-get update &&
       "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
     >"$log" 2>&1; then
  tail -20 "$log" >&2
  echo "ci/install.sh: apt-get failed; the whole output is in $log" >&2
  exit 3
fi
rm -f "$log"
