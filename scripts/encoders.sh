#!/usr/bin/env bash
# Gets encoders for the tests of ingress that Debian does not have, into
# out/tools/encoders: FFmpeg's libraries of today (PyAV), and a WHIP client (aiortc).
# Nothing of the machine is changed.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh
python_with out/tools/encoders test/ingress/encoders/requirements.txt
