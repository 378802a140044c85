# Every target says what it does in its first line; plain `make` builds.
# Needs Go; what else a target can use, and does without, is said there.

VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null)
STATICCHECK  = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK  = golang.org/x/vuln/cmd/govulncheck@v1.8.0
FUZZTIME    ?= 10s
ROUNDS      ?= 9
TESTFLAGS   ?=

# The race detector needs a C compiler; where there is none Go says 0.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

# Real servers and clients that tests use where they are installed.
PEERS = dovecot-imapd dovecot-pop3d fetchmail getmail6 mpop curl python3 fail2ban nginx libnginx-mod-mail perdition systemd

.PHONY: build test lint vuln fuzz bench soak peers

# The binary, static and reproducible.
build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o restante ./cmd/restante

# All tests. Those that need a peer that is not installed are skipped; -v tells.
test:
	$(if $(RACE),,@echo 'No C compiler: testing without the race detector.')
	go vet ./...
	go test $(RACE) -timeout 15m $(TESTFLAGS) ./...

# What must be clean.
lint:
	go vet ./...
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	go run $(STATICCHECK) ./...

# Known vulnerabilities that our code can reach; asks vuln.go.dev. docs/security.md excuses some, if there are.
vuln:
	.ci/vuln $(GOVULNCHECK)

# Every fuzz target for FUZZTIME.
fuzz:
	@set -e; grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort | while IFS=: read -r file func; do \
		echo "fuzz $$(dirname $$file) $${func#func } for $(FUZZTIME)"; \
		go test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) "$$(dirname $$file)"; \
	done

# Restante beside Dovecot's pop3d and imapc gateway, and beside nginx, perdition and
# Dovecot's login proxy, ROUNDS times (nine: 25 minutes); writes docs/performance.md.
bench:
	go run ./bench -rounds $(ROUNDS) -write docs/performance.md

# A storm of 2,000 attempts to connect a second, 500 held at once, for two minutes; -v tells how it went.
soak:
	STORM=2m STORM_RATE=2000 go test -count=1 -v -timeout 10m -run TestStorm ./cmd/restante

# The peers, on Debian and its kin. They are only installed: tests start their own.
# Courier's packages conflict with Dovecot's; its server is unpacked in ~/.cache.
peers:
	$(SUDO) apt-get update -q
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(PEERS)
	peertest/courier.sh
