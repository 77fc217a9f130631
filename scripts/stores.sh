#!/usr/bin/env bash
# Gets stores of objects for the tests of recordings that are uploaded, into
# out/tools: an S3 server (versitygw), one of Google's API and one of Azure's.
# Nothing of the machine is changed, and none is started.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/out/tools
source scripts/packages.sh

gotool "$tools/usr/bin" versitygw github.com/versity/versitygw/cmd/versitygw v1.8.0
gotool "$tools/usr/bin" fake-gcs-server github.com/fsouza/fake-gcs-server v1.56.1
if [[ ! -e $tools/azurite/node_modules/azurite ]]; then
	echo "installing azurite"
	mkdir -p "$tools/azurite"
	again npm install --prefix "$tools/azurite" --no-audit --no-fund --loglevel=error azurite@3.37.0
fi
