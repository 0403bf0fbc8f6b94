# Every job of the repository. Each target does its own set-up; `make help` lists them.
# What they run is in Scripts/, short enough to read.

.DEFAULT_GOAL := help
.PHONY: help setup libraries build model demo test test-slow test-build test-pages test-service bench bench-guard lint format clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: build model ## system libraries, the program, the encoder's weights: all that the program needs

libraries:
	@Scripts/install-libraries.sh

build: libraries ## the program, in release mode: .build/release/mafin
	@Scripts/build.sh mafin

model:
	@Scripts/fetch-model.sh

demo: libraries ## build the demo alone, train on the bundled sample, print the comparison (ARGS=… goes to the demo)
	@Scripts/demo.sh $(ARGS)

test: ## lint, build, all tests (ARGS=… goes to `swift test`)
	@Scripts/test.sh $(ARGS)

test-slow: ## the same with the slow suites
	@MAFIN_SLOW_TESTS=1 Scripts/test.sh $(ARGS)

test-build: ## build the program and its tests, as `make test` does
	@Scripts/test.sh --build-only

test-pages: test-build ## open the report's pages in headless Chromium (ARGS=… are pages to check too)
	@Scripts/test-pages.sh $(ARGS)

test-service: test-build ## ask `mafin serve` with the official clients, promtool and schemathesis, and use its page in Chromium
	@Scripts/test-clients.sh
	@Scripts/test-openapi.sh
	@Scripts/test-service-page.sh

bench: setup ## measure everything beside its peers (ARGS=… names some of Scripts/bench.sh)
	@Scripts/bench.sh $(ARGS)

bench-guard: libraries ## a minute: is the engine as fast as it should be on this machine?
	@swift build -c release --package-path Benchmarks --product bench-guard
	@Benchmarks/.build/release/bench-guard

lint: ## style and the rules between modules
	@Scripts/lint.sh
	@Scripts/check-dependencies.sh

format: ## rewrite the sources in the house style
	@Scripts/lint.sh --fix

clean: ## remove what was built; downloads stay (they are in .cache)
	@rm -rf .build .build-test Benchmarks/.build
