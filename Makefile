# `make` alone lists what can be made. Everything that is built lands in target/ or ui/dist.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CARGO ?= cargo
DEVCLUSTER := target/tools/devcluster
DEVCLUSTER_SOURCES := $(shell find tools/devcluster -type f 2>/dev/null)

.PHONY: help demo test bench build lint clean tools

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## start a cluster, Driftless and a Git repository to play with
	@echo "make demo: not there yet" >&2; exit 1

test: tools ## run every test, the ones on a real cluster included
	$(CARGO) build --package driftless
	$(CARGO) test --workspace

bench: ## measure, print a table, write bench/results
	@echo "make bench: not there yet" >&2; exit 1

build: tools ## build target/release/driftless and target/tools/devcluster
	$(CARGO) build --release --package driftless

lint: ## check formatting, lints and the layer table
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) xtask tidy

clean: ## remove everything that was built
	rm -rf target ui/dist ui/node_modules .demo

tools: $(DEVCLUSTER)

$(DEVCLUSTER): $(DEVCLUSTER_SOURCES)
	@tools/devcluster/build.sh $@
