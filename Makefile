# The jobs of the repository. `make help` lists them. Each target does its own set-up.
# The targets run the short scripts in Scripts/.

.DEFAULT_GOAL := help
.PHONY: help setup libraries build model demo demo-images test test-slow test-build test-pages test-service test-encoders test-mpi test-shared-cache test-distributed test-shards-of bench bench-guard lint format clean test-c static wheel test-wheel test-install install test-stores test-python test-samples test-benchmarks test-package docs

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

demo-images: libraries ## train beside a frozen image network on Fashion-MNIST with classes held out; ends with a page of thumbnails
	@Scripts/demo-images.sh $(ARGS)

test: ## lint, build, all tests (ARGS=… goes to `swift test`)
	@Scripts/test.sh $(ARGS)

test-slow: ## the same as `test`, with the slow suites
	@MAFIN_SLOW_TESTS=1 Scripts/test.sh $(ARGS)

test-build: ## build the program and its tests, as `make test` does
	@Scripts/test.sh --build-only

test-pages: test-build ## open the report's pages in headless Chromium (ARGS=… names further pages to check)
	@Scripts/test-pages.sh $(ARGS)

test-service: test-build ## check `mafin serve` with the official clients, promtool and schemathesis, its page in Chromium, and without a network
	@Scripts/test-clients.sh
	@Scripts/test-openapi.sh
	@Scripts/test-service-page.sh
	@Scripts/test-offline.sh

test-encoders: test-build ## train, evaluate and search with a small random encoder of every family
	@Scripts/test-encoders.sh

test-mpi: test-build ## train on several processes under OpenMPI and MPICH, and compare with one
	@Scripts/test-mpi.sh

test-shared-cache: test-build ## workers under kill -9 share a cache in a real PostgreSQL
	@Scripts/test-shared-cache.sh

test-distributed: test-build ## the samples for Ray and Spark with the real packages, compared with `mafin embed` bit by bit
	@Scripts/test-distributed.sh

test-shards-of: test-build ## `mafin serve --shards-of` compared with one index, with and without --ask-below
	@Scripts/test-shards-of.sh

static: libraries ## program and C library with everything but glibc inside: .build/static (Linux with glibc 2.28 or newer)
	@Scripts/static.sh

wheel: libraries ## the Python wheel: dist/mafin_embeddings-….whl
	@Scripts/wheel.sh

test-wheel: wheel ## install the wheel in fresh Debians without Swift and run the demo there (as root; ARGS=… names suites)
	@Scripts/test-wheel.sh dist/*.whl $(or $(ARGS),bookworm bullseye)

test-install: test-build ## make the wheel from the tested build, install it with pip, and use it
	@Scripts/test-install.sh

test-c: test-build static ## the C interface: its samples, its fuzzer, and the static library beside the other
	@Scripts/test-c.sh .build/static/libMafinC.so .build-test/toy

install: static ## install program, completions, man pages, sample, C library and header below PREFIX (default: /usr/local)
	@Scripts/install.sh $(or $(PREFIX),/usr/local)

test-stores: test-build ## export into PostgreSQL with pgvector, Chroma and files, with kills in between, and read them back with the official clients
	@Scripts/test-stores.sh

test-python: test-build ## the Python package with the packages that it adapts to, the notebook, and the lines of Documentation/how-do-i.md
	@Scripts/test-python.sh $(ARGS)

test-samples: test-build ## compile and run Samples: the Swift client, and the clients of the service
	@Scripts/test-samples.sh

test-package: test-build ## what reaches users, from the tested build: the wheel with the packages that it adapts to, the C interface, the samples, the docs
	@Scripts/test-package.sh

docs: test-build ## the DocC pages of the library's products, without warnings: .cache/docs
	@Scripts/docs.sh $(ARGS)

bench: setup ## measure Mafin and its peers (ARGS=… chooses benchmarks of Scripts/bench.sh)
	@Scripts/bench.sh $(ARGS)

test-benchmarks: test-build ## check that the benchmarks compile
	@Scripts/check-benchmarks.sh

bench-guard: libraries ## check in a minute that the engine is as fast as expected on this machine
	@swift build -c release --package-path Benchmarks --product bench-guard
	@Benchmarks/.build/release/bench-guard

lint: ## check the style and the dependencies between modules
	@Scripts/lint.sh
	@Scripts/check-dependencies.sh

format: ## format the sources
	@Scripts/lint.sh --fix

clean: ## remove build products; downloads stay in .cache
	@rm -rf .build .build-test dist Benchmarks/.build
