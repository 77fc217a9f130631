#!/usr/bin/env bash
# Runs every test there is; `make test` and .ci/run are this script.
#
#   scripts/test.sh        everything, with real SDKs in a real browser
#   scripts/test.sh go     what needs Go and a C compiler only
#
# On a Debian machine with Go and Node it installs what is missing and says so.
# Every step runs, whatever failed before it; the last line counts them. Some go along
# with others, which wait half of the time: what they say comes after these.
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

# cost sets spent: the seconds of processor that what has ended took.
cost() {
	local stat
	spent=0
	if read -r -a stat <"/proc/$BASHPID/stat" 2>/dev/null; then # of Linux alone
		spent=$(((stat[15] + stat[16]) / $(getconf CLK_TCK)))
	fi
}

step() {
	local name=$1 began=$SECONDS spent before
	why=
	shift
	cost
	before=$spent
	printf '\n=== %s\n' "$name"
	local end=ok
	if "$@"; then
		passed=$((passed + 1))
	else
		failed+=("$name$why")
		end=FAILED
	fi
	cost
	echo "--- $name: $end ($((SECONDS - began)) s, $((spent - before)) s of processor)"
}

source scripts/packages.sh

# along NAME NICENESS COMMAND...: runs steps beside those that follow, with less of the
# processor, until joined by the name.
declare -A alongside=() said=()
along() {
	local name=$1 niceness=$2
	shift 2
	said[$name]=$(mktemp -d)
	set -m # in a group of its own, to be ended with us
	(
		passed=0 failed=() alongside=()
		((niceness == 0)) || renice -n "$niceness" "$BASHPID" >/dev/null
		"$@"
		printf '%s\n' "$passed" "${failed[@]}" >"${said[$name]}/steps"
	) </dev/null >"${said[$name]}/all" 2>&1 &
	alongside[$name]=$!
	set +m
}
trap 'for group in "${alongside[@]}"; do kill -- "-$group" 2>/dev/null; done' EXIT
trap 'exit 130' INT TERM

# joined NAME: waits for what goes along, shows what it said and counts its steps.
joined() {
	local name=$1 steps=()
	wait "${alongside[$name]}"
	unset "alongside[$name]"
	cat "${said[$name]}/all"
	mapfile -t steps <"${said[$name]}/steps" || steps=(0 "$name, which goes along with the tests")
	passed=$((passed + steps[0]))
	failed+=("${steps[@]:1}")
	rm -rf "${said[$name]}"
}

# together COMMAND...: runs commands at the same time, for they wait for networks, shows
# what each has said, and leaves in why which of them failed with what words.
together() {
	local command commands=() dir i=0
	dir=$(mktemp -d)
	for command; do
		$command >"$dir/$command" 2>&1 &
		commands+=($!)
	done
	for command; do
		wait "${commands[i++]}" || why+="; $command: $(tail -n 2 "$dir/$command" | paste -sd " ")"
		cat "$dir/$command"
	done
	rm -rf "$dir"
	[[ -z $why ]]
}

formatted() {
	local unformatted
	unformatted=$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 gofmt -l) || return 1
	[[ -z $unformatted ]] || { printf 'not formatted (run gofmt -w):\n%s\n' "$unformatted"; return 1; }
}

# What is built without the race detector is built as releases are, so that all of it
# is compiled once: what tests build, too.
flags=${GOFLAGS:-}
export CGO_ENABLED=0 GOFLAGS="-trimpath${flags:+ $flags}"
go_test_race() { CGO_ENABLED=1 GOFLAGS=$flags go test -race -exec "env CGO_ENABLED=$CGO_ENABLED 'GOFLAGS=$GOFLAGS'" "$@"; }

pure_go() { go build -o bin/rollcall ./cmd/rollcall; }
# Most of the longer packages wait for networks and processes: four run at a time, the
# longest first. What vet says is a step of its own.
race() { go_test_race -vet=off -p 4 -timeout 20m ./test/chaos ./client ./cmd/... ./internal/delivery ./test/ingress ./internal/server ./...; }

sdk_packages() { npm_ci test/sdk; }
agent_packages() { python_with out/sdk/agent test/sdk/agent/requirements.txt; }
store_tools() { scripts/stores.sh; }
ops_tools() { scripts/ops-tools.sh; }
encoder_tools() { scripts/encoders.sh; }
# Into memory: from a disk that was not read from yet, a browser takes a minute to start.
read_ahead() { find /usr/lib/chromium /usr/lib/firefox-esr -type f -exec cat {} + >/dev/null 2>&1 || true; }
tools() { together sdk_packages agent_packages store_tools ops_tools encoder_tools read_ahead; }
web() { npm_ci web && (cd web && npm run check); }
goparticipant() { (cd test/sdk/goparticipant && go vet ./... && go build -o /dev/null .) && (cd test/clientbench && go vet ./...); }
receivers() { scripts/test-receivers.sh; }
elsewhere() {
	local system
	for system in darwin/arm64 windows/amd64; do
		echo "$system"
		(
			export GOOS=${system%/*} GOARCH=${system#*/}
			go build -o /dev/null ./cmd/rollcall && go build ./client/... ./event/... ./webhook/...
		) || return 1
	done
}
getting() { step "tools, SDKs and stores that tests need" tools; }
checking() {
	step "web: types, tests, fresh build" web
	step "receivers: five languages verify what is sent" receivers
	step "sdk: Go participant, and what compares clients" goparticipant
	step "server and client are built for other systems" elsewhere
}

encoders() { go_test_race -tags encoders -timeout 10m -run 'OfFFmpeg8|OfOtherLibraries' ./test/ingress; }
examples() (cd examples && go vet -tags postgres ./... && go_test_race -timeout 10m -tags postgres ./...)
ops() { go_test_race -tags tools -timeout 10m ./test/ops; }
stores() { go_test_race -tags stores -timeout 10m -run RealStores ./internal/egress ./internal/egress/storage ./internal/egress/upload; }
operating() {
	step "examples, and docs/webhooks.md as written" examples
	step "ops: metrics, alerts and packages, read by the tools for them" ops
	step "stores: recordings into S3, Google's and Azure's" stores
}

# One after the other, for SDKs have times of their own, which two processors that are
# behind do not keep.
built() { (cd test/sdk && ROLLCALL_RACE=1 node -e 'import("./build.mjs").then(({ buildAll }) => buildAll())'); }
sdk() { (cd test/sdk && ROLLCALL_BUILT=1 npm test); }
net() { ROLLCALL_BUILT=1 node test/net/run.mjs; }

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
if [[ $what == all ]]; then
	along getting 10 getting
	along checking 19 checking
fi
step "go vet" go vet ./...
step "server without cgo" pure_go
step "go test -race" race
if [[ $what == all ]]; then
	joined getting
	step "what the tests with SDKs drive" built
	step "net: networks that block, lose, delay and change" net
	along operating 10 operating
	step "sdk: browsers, rtc-node, server SDKs" sdk
	joined checking
	joined operating
	step "encoders: Enhanced RTMP of FFmpeg 8, WHIP of aiortc and GStreamer" encoders # in real time, so by itself
fi

echo
echo "took $SECONDS s"
((${#failed[@]})) && printf 'failed: %s\n' "${failed[@]}"
echo "$passed passed, ${#failed[@]} failed"
((${#failed[@]} == 0))
