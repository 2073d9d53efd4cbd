# The project's commands. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo sandbox sandbox-stop test test-long soak-policy soak fuzz token-faults check test-deb test-boot test-tutorial test-tokens \
	bench bench-compare format docs provider release deb reproducible install

# `make install` installs into $(DESTDIR)$(PREFIX)/…; DESTDIR is for packagers.
DESTDIR ?=
PREFIX ?= /usr/local

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## get a certificate whose key never leaves the token and serve with it, step by step, starting from nothing
	@Tests/Sandbox/demo

sandbox: ## start a token, an ACME CA and the daemon in .sandbox, to try things by hand
	@Tests/Sandbox/up

sandbox-stop: ## stop what `make sandbox` started
	@Tests/Sandbox/down

test: ## build and run every test; the last line counts them
	@Tests/run

test-long: ## run the tests that are too slow for every run: loads, each fault of disk and token, data races, a bare Debian
	@ACME_AGENT_LONG_TESTS=1 Tests/run --filter \
		'(LoopFairness|HelperOutage|WriteFault|Interruption|FirstUse|ReloadUnderWay|Handshake|RenewalScheduler|EveryCommand)Tests|manyKeysAreListedFast'
	@ACME_AGENT_LONG_TESTS=1 Tests/run --filter YearOfRunTests
	@ACME_AGENT_LONG_TESTS=1 Tests/Clients/OpenSSLProviderTests/run load memory
	@Tests/Sanitizers/threads
	@Tests/Sandbox/bare-debian
	@Tests/Sandbox/other-package
	@Tests/Sandbox/follow-document tutorial moving $(tokens)
	@$(MAKE) --no-print-directory token-faults

tokens = $(patsubst Docs/%.md,%,$(wildcard Docs/tokens/*.md))
test-tokens: ## follow the page of each kind of token on a bare Debian, and use keys of each type in it
	@Tests/Sandbox/follow-document $(tokens)

test-tutorial: ## follow tutorial.md and moving.md on a bare Debian: run each command, compare what they print
	@Tests/Sandbox/follow-document tutorial moving

test-deb: ## install, upgrade, remove and purge the Debian packages in a bare Debian
	@Tests/Sandbox/debian-packages

test-boot: ## boot a Debian with systemd and AppArmor in qemu, and use the Debian packages there, twice
	@Tests/Sandbox/boot

soak-policy: ## ask the agent for COUNT signatures, honestly and not, and compare what each means with the policy; SEED=N repeats
	@for name in acme-agentd acme-agent-token verifier; do swift build --product $$name; done
	@bin=$$(swift build --show-bin-path); "$$bin/verifier" --programs "$$bin" --count "$(or $(COUNT),10000)" $(addprefix --seed ,$(SEED))

soak: ## keep 64 clients busy for MINUTES while helper, token, disk and configuration fail and heal; SEED=N repeats
	@for name in acme-agentd acme-agent-token acme-agent verifier; do swift build --product $$name; done
	@bin=$$(swift build --show-bin-path); \
		"$$bin/verifier" --programs "$$bin" --soak "$$((60 * $(or $(MINUTES),10)))" $(addprefix --seed ,$(SEED))

fuzz: ## give readers of untrusted bytes inputs that nobody would write, SECONDS=10 each; TARGET=json runs only that
	@Tests/Fuzz/run "$(or $(SECONDS),10)" $(TARGET)

token-faults: ## give a token in use each fault of each PKCS#11 function, and check what callers see; ONLY=TEXT for some of them
	@for name in acme-agentd acme-agent-token token-faults; do swift build --product $$name; done
	@bin=$$(swift build --show-bin-path); "$$bin/token-faults" --programs "$$bin" $(if $(ONLY),--only "$(ONLY)")

check: ## check format, warnings, the walls between the parts, and the documents
	@Tests/check

bench: ## compare the agent with its peers, into bench/latest.json; BENCH=signing runs only that part
	@Tests/bench $(BENCH)

bench-compare: ## report what moved by more than the noise since BASE=<file>
	@Tests/bench --compare "$(BASE)"

format: ## format every Swift file as `make check` requires
	@swift format format --in-place --parallel --recursive Package.swift Sources Tests

docs: ## check the documents, and build the API documentation of the libraries into .build/docs
	@Docs/check
	@Docs/api

provider: ## build the OpenSSL provider, into .build/provider
	@Config/provider

release: ## build for release, for `sudo make install`, and write packages, archive, SBOM and sums into .build/release-files
	@Config/release-files

deb: ## build the Debian packages, into .build/deb
	@Config/deb

reproducible: ## build a release twice, in two folders, and compare every byte
	@Config/reproducible

install: ## build for release and install programs, provider, manual pages, documents and units under DESTDIR and PREFIX
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" Config/install
