#!/usr/bin/env bash
# Gets encoders for the tests of ingress that Debian does not have, into
# out/tools/encoders: FFmpeg's libraries of today (PyAV), and a WHIP client (aiortc).
# Nothing of the machine is changed.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=out/tools/encoders
list=test/ingress/encoders/requirements.txt
sum=$(sha256sum <"$list")
[[ -f $dir/sum && $(<"$dir/sum") == "$sum" ]] && exit 0
echo "installing the Python packages of test/ingress/encoders by their list of versions"
rm -rf "$dir"
python3 -m venv "$dir"
"$dir/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$list"
echo "$sum" >"$dir/sum"
