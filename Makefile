# Every target is described by the comment behind it; `make help` prints them.
SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
GO          ?= go
BIN         := bin/gantry
FLAGS       := -trimpath -ldflags "-s -w"
OUT         ?= out

.PHONY: help run test matrix serve build tools tools-full tools-wasm bench bench-engine lint fmt docs golden clean

help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## Run the sample job on a server of its own, and fetch its results into out/
	@testdata/jobs/run.sh $(BIN) $(OUT)

test: ## Install what the tests need, and run all of them
	@testdata/test.sh

matrix: ## Convert a file of every format, and have the outputs opened by other programs
	@testdata/matrix.sh

serve: build ## Keep a server, and print a curl line that works
	@testdata/jobs/serve.sh $(BIN)

build: ## Build bin/gantry
	@CGO_ENABLED=0 $(GO) build $(FLAGS) -o $(BIN) ./cmd/gantry

tools: ## Install the programs of the recommended profile, and fetch PDFium and resvg
	@testdata/tools.sh recommended

tools-full: ## Install the programs of the full profile too
	@testdata/tools.sh full

tools-wasm: ## Only fetch PDFium and resvg, for which no rights are needed
	@testdata/tools.sh wasm

bench: build ## Measure, as ratios to a peer in the same run
	@testdata/bench.sh $(BIN)

bench-engine: ## Measure the engine over PostgreSQL beside River alone, and the embedded one
	@testdata/bench-engine.sh

lint: ## Run all linters
	@testdata/lint.sh all

fmt: ## Format the code
	@gofmt -w $$(git ls-files '*.go')

docs: ## Write the tables of operations and parameters
	@$(GO) test ./cmd -run TestReference -update

golden: ## Write the golden files anew
	@$(GO) test ./cmd ./api/... -update

clean: ## Remove what was built
	@rm -rf bin out
