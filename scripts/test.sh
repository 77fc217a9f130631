#!/usr/bin/env bash
# Runs every test there is; `make test` and .ci/run are this script.
#
#   scripts/test.sh        everything, with real SDKs in a real browser
#   scripts/test.sh go     what needs Go and a C compiler only
#
# On a Debian machine with Go and Node it installs what is missing and says so.
# Every step runs, whatever failed before it; the last line counts them. What gets and
# builds goes along with the tests in Go, which wait half of the time: what it says
# comes after them.
set -uo pipefail
cd "$(dirname "$0")/.."

what=${1:-all}
passed=0
failed=()

die() {
	echo "test: $*" >&2
	echo "0 passed, 1 failed"
	exit 1
}

step() {
	local name=$1 began=$SECONDS
	shift
	printf '\n=== %s\n' "$name"
	if "$@"; then
		passed=$((passed + 1))
		echo "--- $name: ok ($((SECONDS - began)) s)"
	else
		failed+=("$name")
		echo "--- $name: FAILED ($((SECONDS - began)) s)"
	fi
}

source scripts/packages.sh

# along COMMAND...: runs steps beside those that follow, with less of the processor,
# until joined.
alongside=
along() {
	joined=$(mktemp -d)
	set -m # in a group of its own, to be ended with us
	(
		passed=0 failed=()
		renice -n 10 "$BASHPID" >/dev/null
		"$@"
		printf '%s\n' "$passed" "${failed[@]}" >"$joined/steps"
	) </dev/null >"$joined/said" 2>&1 &
	alongside=$!
	set +m
}
trap '[[ -z $alongside ]] || kill -- "-$alongside" 2>/dev/null' EXIT
trap 'exit 130' INT TERM

# joined: waits for what goes along, shows what it said and counts its steps.
joined() {
	local steps=()
	wait "$alongside"
	alongside=
	cat "$joined/said"
	mapfile -t steps <"$joined/steps" || steps=(0 "what goes along with the tests")
	passed=$((passed + steps[0]))
	failed+=("${steps[@]:1}")
	rm -rf "$joined"
}

formatted() {
	local unformatted
	unformatted=$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 gofmt -l) || return 1
	[[ -z $unformatted ]] || { printf 'not formatted (run gofmt -w):\n%s\n' "$unformatted"; return 1; }
}

pure_go() { CGO_ENABLED=0 go build -trimpath -o bin/rollcall ./cmd/rollcall; }
# Most of the longer packages wait for networks and processes: four run at a time, the
# longest first. What vet says is a step of its own.
race() { CGO_ENABLED=1 go test -race -vet=off -p 4 -timeout 20m ./test/chaos ./client ./cmd/... ./internal/delivery ./test/ingress ./internal/server ./...; }
tools() { npm_ci test/sdk && python_with out/sdk/agent test/sdk/agent/requirements.txt && scripts/stores.sh && scripts/ops-tools.sh && scripts/encoders.sh; }
web() { npm_ci web && (cd web && npm run check); }
goparticipant() { (cd test/sdk/goparticipant && go vet ./... && go build -o /dev/null .) && (cd test/clientbench && go vet ./...); }
receivers() { scripts/test-receivers.sh; }
getting() {
	step "tools, SDKs and stores that tests need" tools
	step "web: types, tests, fresh build" web
	step "receivers: five languages verify what is sent" receivers
	step "sdk: Go participant, and what compares clients" goparticipant
}

examples() (cd examples && go vet -tags postgres ./... && CGO_ENABLED=1 go test -race -timeout 10m -tags postgres ./...)
ops() { CGO_ENABLED=1 go test -race -tags tools -timeout 10m ./test/ops; }
stores() { CGO_ENABLED=1 go test -race -tags stores -timeout 10m -run RealStores ./internal/egress/storage; }
encoders() { CGO_ENABLED=1 go test -race -tags encoders -timeout 10m -run 'OfFFmpeg8|OfOtherLibraries' ./test/ingress; }
sdk() { (cd test/sdk && ROLLCALL_RACE=1 npm test); }
net() { ROLLCALL_RACE=1 node test/net/run.mjs; }

command -v go >/dev/null || die "Go is missing; go.mod says which version"
command -v git >/dev/null || packages+=(git)
need cc gcc libc6-dev # the race detector's
if [[ $what == all ]]; then
	command -v node >/dev/null || die "Node is missing; want 20.19 or newer"
	command -v npm >/dev/null || die "npm is missing; it comes with Node"
	[[ -n ${CHROMIUM:-} ]] || need chromium chromium
	[[ -n ${FIREFOX:-} ]] || need firefox-esr firefox-esr
	need curl curl
	compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || packages+=(postgresql)
	need ip iproute2
	need nft nftables
	need nsenter util-linux
	need openssl openssl
	need systemd-analyze systemd
	need dpkg-deb dpkg
	need ffprobe ffmpeg
	[[ -f /usr/lib/nginx/modules/ngx_rtmp_module.so ]] || packages+=(nginx-light libnginx-mod-rtmp) # takes streams
	gstreamer=(gstreamer1.0-plugins-{base,good,bad} gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0 python3-gi) # 60 MB
	dpkg -s "${gstreamer[@]}" >/dev/null 2>&1 || packages+=("${gstreamer[@]}")
	need_receivers
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || packages+=(python3) # the agents framework's
fi
install_packages

step "gofmt" formatted
[[ $what == all ]] && along getting
step "go vet" go vet ./...
step "server without cgo" pure_go
step "go test -race" race
if [[ $what == all ]]; then
	joined
	step "examples, and docs/webhooks.md as written" examples
	step "ops: metrics, alerts and packages, read by the tools for them" ops
	step "stores: recordings into S3, Google's and Azure's" stores
	step "encoders: Enhanced RTMP of FFmpeg 8, WHIP of aiortc and GStreamer" encoders
	step "sdk: browsers, rtc-node, server SDKs" sdk
	step "net: networks that block, lose, delay and change" net
fi

echo
((${#failed[@]})) && printf 'failed: %s\n' "${failed[@]}"
echo "$passed passed, ${#failed[@]} failed"
((${#failed[@]} == 0))
