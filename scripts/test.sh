#!/usr/bin/env bash
# Runs every test there is; `make test` and .ci/run are this script.
#
#   scripts/test.sh        everything, with real SDKs in a real browser
#   scripts/test.sh go     what needs Go and a C compiler only
#
# On a Debian machine with Go and Node it installs what is missing and says so.
# Every step runs, whatever failed before it; the last line counts them.
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

# need COMMAND PACKAGE...: notes the Debian packages to install for a command.
packages=()
need() {
	local command=$1
	shift
	command -v "$command" >/dev/null || packages+=("$@")
}

install_packages() {
	((${#packages[@]})) || return 0
	local root=()
	if [[ $(id -u) != 0 ]]; then
		command -v sudo >/dev/null || die "missing ${packages[*]}: install them, or run this as root or with sudo"
		root=(sudo)
	fi
	command -v apt-get >/dev/null || die "missing ${packages[*]}, and there is no apt-get to install them with"
	echo "installing Debian packages: ${packages[*]}"
	"${root[@]}" apt-get update -qq &&
		"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
		die "apt-get could not install ${packages[*]}"
}

# npm_ci DIR: the npm packages of the lock file there, unless they are there.
npm_ci() {
	local dir=$1
	if [[ -f $dir/node_modules/.package-lock.json && $dir/node_modules/.package-lock.json -nt $dir/package-lock.json ]]; then
		echo "npm packages of $dir are installed"
		return 0
	fi
	echo "installing npm packages of $dir by its lock file"
	(cd "$dir" && npm ci --no-audit --no-fund --loglevel=error)
}

# agent_python: a Python with the agents framework, by its list of versions.
agent_python() {
	local dir=out/sdk/agent sum
	sum=$(sha256sum <test/sdk/agent/requirements.txt)
	[[ -f $dir/sum && $(<"$dir/sum") == "$sum" ]] && return 0
	echo "installing the Python packages of test/sdk/agent by their list of versions"
	rm -rf "$dir"
	python3 -m venv "$dir" &&
		"$dir/bin/pip" install --quiet --disable-pip-version-check --no-deps -r test/sdk/agent/requirements.txt &&
		echo "$sum" >"$dir/sum"
}

formatted() {
	local unformatted
	unformatted=$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 gofmt -l) || return 1
	[[ -z $unformatted ]] || { printf 'not formatted (run gofmt -w):\n%s\n' "$unformatted"; return 1; }
}

pure_go() { CGO_ENABLED=0 go build -trimpath -o bin/rollcall ./cmd/rollcall; }
ops() { scripts/ops-tools.sh && CGO_ENABLED=1 go test -race -tags tools -timeout 10m ./test/ops; }
# Most of the longer packages wait for networks and processes: four run at a time.
race() { CGO_ENABLED=1 go test -race -p 4 -timeout 20m ./...; }
goparticipant() { (cd test/sdk/goparticipant && go vet ./... && go build -o /dev/null .) && (cd test/clientbench && go vet ./...); }
examples() (cd examples && go vet -tags postgres ./... && CGO_ENABLED=1 go test -race -timeout 10m -tags postgres ./...)
receivers() { scripts/test-receivers.sh; }
stores() { scripts/stores.sh && CGO_ENABLED=1 go test -race -tags stores -timeout 10m -run RealStores ./internal/egress/storage; }
encoders() { scripts/encoders.sh && CGO_ENABLED=1 go test -race -tags encoders -timeout 10m -run 'OfFFmpeg8|Aiortc' ./test/ingress; }
web() { npm_ci web && (cd web && npm run check); }
sdk() { npm_ci test/sdk && agent_python && (cd test/sdk && ROLLCALL_RACE=1 npm test); }
net() { npm_ci test/sdk && agent_python && ROLLCALL_RACE=1 node test/net/run.mjs; }

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
	# The agents framework's.
	python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || packages+=(python3 python3-venv)
fi
install_packages

step "gofmt" formatted
step "go vet" go vet ./...
step "server without cgo" pure_go
step "go test -race" race
if [[ $what == all ]]; then
	step "examples, and docs/webhooks.md as written" examples
	step "ops: metrics, alerts and packages, read by the tools for them" ops
	step "stores: recordings into S3, Google's and Azure's" stores
	step "encoders: Enhanced RTMP of FFmpeg 8, WHIP of aiortc" encoders
	step "receivers: five languages verify what is sent" receivers
	step "web: types, tests, fresh build" web
	step "sdk: Go participant, and what compares clients" goparticipant
	step "sdk: browsers, rtc-node, server SDKs" sdk
	step "net: networks that block, lose, delay and change" net
fi

echo
((${#failed[@]})) && printf 'failed: %s\n' "${failed[@]}"
echo "$passed passed, ${#failed[@]} failed"
((${#failed[@]} == 0))
