# `make` alone lists what can be made. Everything that is built lands in target/ or ui/dist.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CARGO ?= cargo
DEVCLUSTER := target/tools/devcluster
DEVCLUSTER_SOURCES := $(shell find tools/devcluster -type f 2>/dev/null)
ARGO_ROLLOUTS := target/tools/argo-rollouts
ARGO_ROLLOUTS_SOURCES := $(shell find tools/argo-rollouts -type f 2>/dev/null)
KSERVE := target/tools/kserve
KSERVE_SOURCES := $(shell find tools/kserve -type f 2>/dev/null)
UI_SOURCES := $(shell find ui -type f -not -path 'ui/node_modules/*' -not -path 'ui/dist/*' 2>/dev/null)
UI_MODULES := ui/node_modules/.package-lock.json

.PHONY: help setup demo test test-rust test-ui fuzz bench build lint clean tools ui

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing, or say in one line what it is
	@tools/setup.sh

demo: setup $(DEVCLUSTER) $(KSERVE) ui ## start a cluster, Driftless and a Git repository to play with
	$(CARGO) build --package driftless
	@tools/demo/run.sh

test: test-rust test-ui ## run every test, the ones on a real cluster and in a real browser included

test-rust: setup tools ui ## run the Rust tests, the ones on a real cluster included
	$(CARGO) build --package driftless
	$(CARGO) test --workspace

test-ui: setup tools ui ## run the UI's tests, the ones in a browser included
	$(CARGO) build --package driftless
	npm --prefix ui run --silent typecheck
	npm --prefix ui run --silent test
	tools/e2e.sh

fuzz: ## fuzz the readers of hostile input for 60 s each (needs a nightly compiler)
	tools/fuzz.sh

bench: setup build ## measure, print a table, write bench/results
	$(CARGO) run --release --package driftless-bench

build: setup tools ui ## build target/release/driftless and target/tools/devcluster
	$(CARGO) build --release --package driftless

lint: setup $(UI_MODULES) ## check formatting, lints and the layer table
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) xtask tidy
	npm --prefix ui run --silent lint

clean: ## remove everything that was built
	rm -rf target ui/dist ui/node_modules .demo

tools: $(DEVCLUSTER) $(ARGO_ROLLOUTS) $(KSERVE) ## build the cluster and the controllers that tests run beside it

$(DEVCLUSTER): $(DEVCLUSTER_SOURCES)
	@tools/devcluster/build.sh $@

$(ARGO_ROLLOUTS): $(ARGO_ROLLOUTS_SOURCES)
	@tools/argo-rollouts/build.sh $@

$(KSERVE): $(KSERVE_SOURCES)
	@tools/kserve/build.sh $@

ui: ui/dist/index.html

$(UI_MODULES): ui/package.json ui/package-lock.json
	npm --prefix ui ci --no-audit --no-fund
	@touch $@

ui/dist/index.html: $(UI_MODULES) $(UI_SOURCES)
	npm --prefix ui run --silent build
	@touch $@
