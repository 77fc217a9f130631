# `make` lists the targets.
.DEFAULT_GOAL := help
.PHONY: release deb image help run build test test-go test-sdks test-ops compat bench bench-client soak worst fuzz lint web clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## run the server with its page on this machine (FLAGS="--port 8080")
	go run ./cmd/rollcall serve --dev $(FLAGS)

build: ## build bin/rollcall, one static binary
	CGO_ENABLED=0 go build -trimpath -o bin/rollcall ./cmd/rollcall

test: ## run every test, real SDKs and a browser included; installs what they need
	scripts/test.sh

test-go: ## run what needs Go and a C compiler only
	scripts/test.sh go

test-sdks: ## let receivers in five languages verify every event; installs what they need
	scripts/test-receivers.sh $(FLAGS)

test-ops: ## have the tools of operators read metrics, alerts and packages; gets the tools
	scripts/ops-tools.sh
	go test -tags tools -count=1 ./test/ops

compat: ## record in docs/compat.md which events the Go client sees from Rollcall, or from the server at LIVEKIT_URL
	go run ./test/compat $(FLAGS)

release: ## build archives and Debian packages for every system into out/release (VERSION=v1.2.3)
	scripts/release.sh $(VERSION)

deb: ## build the Debian packages into out/release (VERSION=v1.2.3)
	scripts/release.sh $(VERSION) deb

image: ## build the container image (VERSION=v1.2.3)
	docker build -f deploy/docker/Dockerfile --build-arg VERSION=$(VERSION) -t rollcall:$(or $(VERSION),latest) .

bench: ## measure the server, as docs/performance.md says (FLAGS="-run video")
	go run ./test/bench $(FLAGS)

bench-client: build ## compare package client with LiveKit's SDK for Go; ten minutes
	cd test/clientbench && go run . -rollcall $(CURDIR)/bin/rollcall $(FLAGS)

egress-kills: ## kill what records, and servers, until 200 recordings of all kinds were killed (KILLS=1000, COPIES=4, ONLY=room)
	cd test/sdk && ROLLCALL_EGRESS_ONLY=$(ONLY) ROLLCALL_EGRESS_COPIES=$(or $(COPIES),1) ROLLCALL_EGRESS_KILLS=$(or $(KILLS),200) node run.mjs tests/egress-kills.test.mjs

egress-step: ## record flashes and beeps for FOR=10m, and say how far sound is from its picture
	go test ./test/egress -count=1 -v -timeout 0 -run InStep -for $(or $(FOR),10m)

soak: ## kill the log and delivery 10,000 times and cut their power 1,000 times; takes an hour
	mkdir -p out
	go test ./test/soak -count=1 -v -timeout 12h -parallel 4 -kills 10000 -lanes 4 -cuts 1000 -report $(CURDIR)/out/soak.txt
	go test ./internal/delivery -count=1 -timeout 6h -run TestModelHoldsUnderRandomFaults -long 1000

worst: ## crowd the server, send it garbage, stop reading, be half dead, in long form; takes half an hour
	go test ./test/chaos -count=1 -v -timeout 3h -long
	go test ./client -count=1 -v -timeout 3h -run 'April|Reconnects' -long
	go test ./internal/room -count=1 -v -timeout 3h -run ADay -visits 1000

fuzz: ## run each fuzz target for FUZZTIME (20s)
	scripts/fuzz.sh

lint: ## run golangci-lint, which has to be installed
	golangci-lint run ./...

web: ## build web/dist, which is committed
	cd web && npm ci && npm run build

clean: ## remove what was built
	rm -rf bin out
