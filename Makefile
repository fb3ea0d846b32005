# `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# cargo uses the cores; two targets at a time would only wait for its lock.
.NOTPARALLEL:
.PHONY: help demo test lint lint-deps package bench bench-sandbox soak tools

help: ## lists these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  %-14s %s\n' "$$name" "$$text"; done

demo: ## rotates users of a sandbox before your eyes, until Ctrl-C or for DEMO_SECONDS=60
	@scripts/install-tools.sh cc redis
	@cargo build --locked --package rekeyd --example demo
	@cargo build --locked --package rekeyd --bin rekeyd # by itself: an example is built with the switches of the tests
	@exec "$${CARGO_TARGET_DIR:-target}/debug/examples/demo"

test: ## all tests; installs redis-server, prometheus, Python clients, shells, chromium, cargo-deb, a Debian to boot, dynalite and what the documentation uses if they are missing
	@scripts/install-tools.sh cc redis prometheus python shells man pages browser deb machine dynalite
	@scripts/test.sh

lint: ## formatting, clippy, documentation; warnings are errors
	@scripts/install-tools.sh cc
	scripts/check-docs.sh
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --workspace --document-private-items --locked

lint-deps: ## licences, sources and banned crates; builds cargo-deny the first time, so not in .ci/run
	@scripts/install-tools.sh deny
	.tools/bin/cargo-deny --locked check bans licenses sources

package: ## the Debian package, with an SBOM in it, into DIST=target/debian; a release build takes minutes
	@scripts/install-tools.sh cc python deb
	cargo build --release --locked --package rekeyd --bin rekeyd
	@scripts/package.sh release --output "$(or $(DIST),target/debian/)"

bench: ## the figures of docs/BENCHMARKS.md; ONLY=rotation,rest,… and SIZE=10,1000,… choose; all takes some 35 minutes
	@scripts/install-tools.sh cc redis dynalite
	@ONLY="$(ONLY)" SIZE="$(SIZE)" cargo bench --locked --package rekeyd --bench figures

bench-sandbox: ## what the sandbox serves in a second on one core, its memory and its start; two minutes
	cargo bench --locked --package rekeyd-sandbox --bench throughput

soak: ## random simulated worlds and pairs of faults for SECONDS=600, from SEED= on if given; then real crashes once
	@scripts/install-tools.sh cc redis
	@scripts/soak.sh "$(or $(SECONDS),600)" $(SEED)

tools: ## installs what demo, test and lint need, and nothing that is there already
	@scripts/install-tools.sh cc redis prometheus python shells man pages browser deb machine dynalite
