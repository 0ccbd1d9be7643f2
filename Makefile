# Everything is set up inside this folder: .venv, node_modules, .fanreel. No system package is needed
# beside Python 3.11+, Node 20+ and make. Set-up is logged in .fanreel/setup.log.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help setup demo test check bench eval clean

OUT ?= demo-out
ALL ?=
DEMO := .fanreel/demo
VIDEO ?=
FANS ?=
PYTEST_ARGS ?=
STAMPS := .fanreel/stamps
BIN := .venv/bin
LOG := .fanreel/setup.log

# The first Python on PATH that is new enough.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)

# A directory of model files that stands in for their official homes.
FANREEL_MODEL_MIRROR ?= $(abspath $(wildcard ../shared/models))
ifneq ($(FANREEL_MODEL_MIRROR),)
export FANREEL_MODEL_MIRROR
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# $(call step,what,command): one line; the command's own output goes into the log, its end is shown on failure.
define step
	@printf '%-34s' '$(1)'; started=$$SECONDS; \
	if { echo "== $(1)"; $(2); } >>$(LOG) 2>&1 </dev/null; then echo "ok ($$((SECONDS - started)) s)"; \
	else echo failed; tail -n 25 $(LOG) >&2; echo 'The whole log: $(LOG)' >&2; exit 1; fi
endef

help:
	@echo 'make setup   create the environment, build the networks (idempotent)'
	@echo 'make demo    the main job, live, on a broadcast made here; or VIDEO=file FANS=folder [OUT=folder]'
	@echo 'make test    every test'
	@echo 'make check   formatting, lint, types, import rules'
	@echo 'make bench   speed          make eval    accuracy'
	@echo 'make clean   remove results and caches; ALL=1 also the environment and the networks'

setup: .venv/.stamp node_modules/.stamp .fanreel/models/.stamp
	@:

$(STAMPS)/prerequisites:
	@mkdir -p $(STAMPS)
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer was not found. Install it, or name it: make setup PYTHON=/path/to/python3' >&2; exit 1; }
	@command -v node >/dev/null && command -v npm >/dev/null || \
		{ echo 'Node.js was not found. Install Node.js 20 or newer (with npm) and put it on PATH.' >&2; exit 1; }
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || \
		{ echo "Node.js $$(node --version) is too old. Install Node.js 20 or newer." >&2; exit 1; }
	@touch $@

# The environment and the packages carry their own stamps: whoever deletes them gets them back.
$(BIN)/python: | $(STAMPS)/prerequisites
	$(call step,python environment,$(PYTHON) -m venv .venv)

.venv/.stamp: tests/requirements.txt pyproject.toml | $(BIN)/python
	$(call step,python packages,$(BIN)/python -m pip install -q -r tests/requirements.txt && $(BIN)/python -m pip install -q --no-deps -e .)
	@touch $@

node_modules/.stamp: package.json package-lock.json | $(STAMPS)/prerequisites
	$(call step,node packages,npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	@touch $@

# Pack extra: advice on selfies; FANREEL_SELFIE_LIVENESS=false leaves it out.
# The small detector is fetched when it can be reached; without it the slower tiled one serves, and the log says so.
.fanreel/models/.stamp: fanreel/inference/catalogue.toml .venv/.stamp node_modules/.stamp
	$(call step,networks: build,$(BIN)/fanreel models build baseline && $(BIN)/fanreel models build extra)
	$(call step,networks: pull (optional),$(BIN)/fanreel models pull)
	@touch $@

demo: setup
ifeq ($(VIDEO)$(FANS),)
	@$(BIN)/python -m fanreel.demo $(DEMO)
	@$(BIN)/fanreel run $(DEMO)/broadcast.mp4 --fans $(DEMO)/fans --out '$(OUT)' --event demo --title 'The demo match'
else
	@test -n '$(VIDEO)' && test -n '$(FANS)' || { echo 'Give both: make demo VIDEO=file FANS=folder' >&2; exit 2; }
	@$(BIN)/fanreel run '$(VIDEO)' --fans '$(FANS)' --out '$(OUT)'
endif

test: setup
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports

bench: setup
	@$(BIN)/python -m benchmarks.speed
	@$(BIN)/python -m benchmarks.matching

# The shared test media where they lie beside the checkout; without them, the demo broadcast alone.
SHARED := $(wildcard ../shared/media)

eval: setup
ifeq ($(SHARED),)
	@$(BIN)/python -m fanreel.demo $(DEMO)
	@$(BIN)/fanreel eval broadcast $(DEMO)/broadcast.mp4 --fans $(DEMO)/fans --truth $(DEMO)/truth.json
else
	@$(BIN)/fanreel eval verification --images '$(SHARED)/lfw_dev.zip' --det docs/det.svg
	@$(BIN)/fanreel eval broadcast '$(SHARED)/broadcast/broadcast.mp4' --fans '$(SHARED)/broadcast/selfies' \
		--truth '$(SHARED)/broadcast/truth.json' --places benchmarks/broadcast_places.json --strangers '$(SHARED)/lfw_dev.zip'
	@$(BIN)/fanreel eval broadcast '$(SHARED)/video/people/promo_many_faces_20cuts.mp4' --strangers '$(SHARED)/lfw_dev.zip'
	@$(BIN)/fanreel eval shots --truth '$(SHARED)/truth/shots.json' --videos '$(SHARED)/video' --sweep --min-f1 0.95
	@$(BIN)/fanreel eval shots --truth benchmarks/shot_truth_pyscenedetect.json --videos '$(SHARED)/video'
	@$(BIN)/fanreel eval attributes --media '$(SHARED)'
	@$(BIN)/fanreel eval expression --media '$(SHARED)'
	@$(BIN)/fanreel eval sound --media '$(SHARED)'
endif

clean:
	@rm -rf .fanreel/run .fanreel/demo '$(OUT)' .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . \( -name node_modules -o -name .venv -o -name .git \) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
	@if [ -n '$(ALL)' ]; then rm -rf .venv node_modules .fanreel fanreel.egg-info; fi
