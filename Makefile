# Every target sets up what it needs by itself. PORT=8086 make start; KILLS=500 make soak
.PHONY: help setup build demo test test-agents check bench soak start start-sim stop doctor clean

help:
	@echo "make demo | test | test-agents | check | bench | soak | setup | build | start | start-sim | stop | doctor | clean"

setup:
	@scripts/setup

build: setup
	@scripts/build

demo:
	@scripts/demo

test:
	@scripts/test

test-agents:
	@scripts/test-agents

check:
	@scripts/check

bench:
	@scripts/bench

soak:
	@scripts/soak

start: build
	@bin/codencer start $(if $(PORT),--port "$(PORT)")

start-sim: build
	@bin/codencer start --simulation $(if $(PORT),--port "$(PORT)")

stop: build
	@bin/codencer stop

doctor: build
	@bin/codencer doctor

clean:
	rm -rf .venv bin build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +
