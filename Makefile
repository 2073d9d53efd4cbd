# Everything that is done with this project by name. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo sandbox sandbox-stop test test-long check bench bench-compare format docs install

# Where `make install` puts things: $(DESTDIR)$(PREFIX)/…; DESTDIR is for packagers.
DESTDIR ?=
PREFIX ?= /usr/local

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## from nothing to a certificate whose key never left the token, step by step
	@Tests/Sandbox/demo

sandbox: ## a token, an ACME CA and the daemon, left running in .sandbox for trying things by hand
	@Tests/Sandbox/up

sandbox-stop: ## end what `make sandbox` started
	@Tests/Sandbox/down

test: ## build and run every test; the last line counts them
	@Tests/run

test-long: ## the tests that take longer than their worth in every run: users on a loaded loop, an idle token that goes away
	@ACME_AGENT_LONG_TESTS=1 Tests/run --filter 'LoopFairnessTests|HelperOutageTests'

check: ## prove the walls between the parts, the format, and that there is no warning
	@Tests/check

bench: ## measure the agent beside its peers into bench/latest.json; BENCH=signing (or another part) for that alone
	@Tests/bench $(BENCH)

bench-compare: ## say what moved by more than the noise since BASE=<file>
	@Tests/bench --compare "$(BASE)"

format: ## bring every Swift file into the form that `make check` wants
	@swift format format --in-place --parallel --recursive Package.swift Sources Tests

docs: ## check that the documents' links, commands and table of parts fit the tree
	@Docs/check

install: ## build for release and install programs, manual, units and examples under DESTDIR and PREFIX
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" Config/install
