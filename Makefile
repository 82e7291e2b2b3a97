# The targets are fixed by the project's contract: build, run, test, bench.
# check is everything that needs Go alone; .ci/run runs test and lint.

BIN := bin/aerobee
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo dev)

.PHONY: build run test bench check lint unit race conformance fuzz crash docs clean

build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $(BIN) ./cmd/aerobee

run: build
	$(BIN) server --data ./data

test: unit race conformance

unit: build
	go test ./...

# The race detector needs cgo.
race:
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=0 go test -race ./...

conformance: build
	conformance/run aerobee

bench: build
	go run ./bench

lint:
	@unformatted=$$(go tool gofumpt -l cmd client bench internal conformance); \
	if [ -n "$$unformatted" ]; then echo "gofumpt:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

check: lint unit

# Each fuzz target for FUZZTIME; the seeds run with every unit test anyway.
FUZZTIME ?= 20s
fuzz:
	@for pkg in $$(go list ./...); do \
		for f in $$(go test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz'); do \
			echo "$$pkg $$f"; go test $$pkg -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; \
	done

# The long run of the store's power cuts and failing calls, and of killed servers.
CRASH_RUNS ?= 20000
KILL_ROUNDS ?= 50
crash:
	AEROBEE_CRASH_RUNS=$(CRASH_RUNS) go test ./internal/store -run 'TestPowerCuts$$' -timeout 60m
	AEROBEE_KILL_ROUNDS=$(KILL_ROUNDS) go test ./cmd/aerobee -run TestKilledServer -count=1 -timeout 60m

# Pages that are made from code.
docs:
	go test ./internal/config -run Reference -count=1 -update
	go test ./cmd/aerobee -run Compatibility -count=1 -update

clean:
	rm -rf bin data
