# Every target is listed by `make help`. Tools and the Kubernetes control plane are built from Go modules into bin/; no prebuilt program is
# downloaded but Prometheus (make prometheus) and shellcheck (make verify), from the distribution's packages.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -o errexit -o nounset -o pipefail -c
.DEFAULT_GOAL := help

# Karpenter core needs a newer Go than some installations have; go fetches it as a module.
export GOTOOLCHAIN := auto
export CGO_ENABLED ?= 0

BIN := bin
NAME ?= default
SCENARIO ?= mixed
NODES ?= 2
VIRTUAL_NODES ?= 2
CONTROLLER_ARGS ?=
OCISIM_ARGS ?=
KEEP ?=
FUZZ_RUNS ?= 200000x
SEED ?= 1
DURATION ?= 5m
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z0-9-]*:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: tools build ## Play a scenario and write out/demo/report.html. SCENARIO=mixed or preemption; KEEP=1 leaves the cluster up.
	@exec $(BIN)/demo $(if $(KEEP),--keep) --scenario $(SCENARIO) --bin $(BIN)

.PHONY: up
up: tools build ## Start the same cluster in the background. NAME=, NODES=, VIRTUAL_NODES=, CONTROLLER_ARGS=, OCISIM_ARGS=.
	@exec $(BIN)/demo up --bin $(BIN) --name $(NAME) --nodes $(NODES) --virtual-nodes $(VIRTUAL_NODES) --controller-args "$(CONTROLLER_ARGS)" --ocisim-args "$(OCISIM_ARGS)"

.PHONY: down
down: ## End the cluster that `make up` (or `make demo KEEP=1`, with NAME=demo) left. NAME=.
	@test -x $(BIN)/demo || { echo "$(BIN)/demo is not there, so no cluster of this folder is up"; exit 1; }
	@exec $(BIN)/demo down --name $(NAME)

.PHONY: test
test: tools build ## Run all tests: units, the simulator's and cluster's own, end to end, a few seconds of fuzzing.
	@go test -count=1 -p 3 -timeout 25m ./... # suites on live clusters wait more than they compute
	@$(MAKE) --no-print-directory fuzz FUZZ_RUNS=3000x

.PHONY: e2e
e2e: tools e2e-tools build prometheus ## Run the wide end-to-end specs, one after the other on real control planes, and the soak of both layers. PKG= for some only.
	@go test -tags e2e,soak -count=1 -p 1 -timeout 120m $(if $(PKG),$(PKG),./test/e2e/... ./test/soak/...)

.PHONY: chaos
chaos: tools ## Break things around a running controller as a seed decides, and check what must stay true. SEED=, DURATION=. Writes out/chaos/report.json.
	@go build -trimpath -o $(BIN)/chaos ./test/chaos
	@exec $(BIN)/chaos --seed $(SEED) --duration $(DURATION)

.PHONY: fuzz
fuzz: ## Fuzz what nodes are given at boot, the way back to the kubelet's arguments, and the choice of a pod's layer. FUZZ_RUNS= for each.
	@go test ./pkg/providers/bootstrap -run '^$$' -fuzz FuzzMetadata -fuzztime $(FUZZ_RUNS) -fuzzminimizetime 10x
	@go test ./pkg/virtualnode -run '^$$' -fuzz FuzzDecide -fuzztime $(FUZZ_RUNS) -fuzzminimizetime 10x
	@go test ./test/cluster/kubelets -run '^$$' -fuzz FuzzWhatWentInIsWhatTheKubeletGets -fuzztime $(FUZZ_RUNS) -fuzzminimizetime 10x
	@go test ./test/corpus/layers -run '^$$' -fuzz FuzzDecideOnTheCorpus -fuzztime $(FUZZ_RUNS) -fuzzminimizetime 10x

.PHONY: bench
bench: tools build ## Take the figures of speed, of OCI calls and of memory with up to 100 nodes, with goals and peers beside. About half an hour.
	@go run ./test/bench -nodes 100 speed calls scale

.PHONY: bench-speed
bench-speed: ## Take the figures of hot paths only: Go benchmarks. Some minutes.
	@go run ./test/bench speed

.PHONY: bench-interruption
bench-interruption: tools build ## Take the figures of preemption: 200 at once on a cluster of its own, and 1,000 messages.
	@go run ./test/bench interruption

.PHONY: bench-cost
bench-cost: ## Take the figures of cost: pod traces through core's scheduler, and some simulated days of churn. About an hour.
	@go run ./test/bench cost churn

.PHONY: bench-calls
bench-calls: tools build ## Count what is asked of OCI for 20 nodes that come and go, on a real control plane. About 6 minutes.
	@go run ./test/bench calls

.PHONY: bench-scale
bench-scale: tools build ## 500 nodes at once; memory, calls an hour and a start with up to 1,000 nodes and 10,000 pods. About an hour. WINDOW=, LEAST=, MOST=.
	@go run ./test/bench $(if $(WINDOW),-window $(WINDOW)) $(if $(LEAST),-least $(LEAST)) $(if $(MOST),-nodes $(MOST)) burst scale

.PHONY: bench-all
bench-all: bench-speed bench-calls bench-interruption bench-cost bench-scale ## Take every figure. About two and a half hours.

.PHONY: build
build: ## Build the controller, the kubectl plugin and the demo into bin/.
	@go build -trimpath -ldflags "-X sigs.k8s.io/karpenter/pkg/operator.Version=$(VERSION)" -o $(BIN)/karpenter-oke ./cmd/controller
	@go build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BIN)/kubectl-karpenter_oke ./cmd/kubectl-karpenter_oke
	@go build -trimpath -o $(BIN)/demo ./test/demo

.PHONY: image
image: ## Build the container image for amd64 and arm64, without a container engine, into out/image. VERSION=.
	@go run ./tools/image --version $(VERSION)

.PHONY: release
release: ## Build everything of a release into out/release: image, programs, charts, checksums. VERSION=v1.2.3.
	@go run ./tools/build --bin $(BIN) helm
	@tools/release.sh $(BIN) $(VERSION)

.PHONY: tools
tools: ## Build the Kubernetes control plane, kwok and helm into bin/.
	@go run ./tools/build --bin $(BIN) --group cluster

.PHONY: e2e-tools
e2e-tools: ## Build what only the wide end-to-end specs run (metrics-server) into bin/.
	@go run ./tools/build --bin $(BIN) --group e2e

.PHONY: prometheus
prometheus: ## Put Prometheus into bin/, from the distribution's package; what `make e2e` watches the controller with.
	@mkdir -p $(BIN)
	@tools/prometheus/install.sh $(BIN)

.PHONY: dev-tools
dev-tools: ## Build the generators and linters into bin/.
	@go run ./tools/build --bin $(BIN) --group lint

.PHONY: generate
generate: dev-tools ## Write the generated files: deep copies, CustomResourceDefinitions (also the chart's), references.
	@$(BIN)/controller-gen object paths=./pkg/apis/... crd output:crd:dir=pkg/apis/crds
	@install -m 0644 pkg/apis/crds/*.yaml "$$(go list -m -f '{{.Dir}}' sigs.k8s.io/karpenter)"/pkg/apis/crds/*.yaml charts/karpenter-oke-crd/files/
	@go run ./tools/apidoc
	@go run ./tools/capacitydoc
	@go run ./tools/metricsdoc
	@go run ./tools/settingsdoc
	@go run ./tools/dashboards
	@$(BIN)/helm-docs --chart-search-root charts --sort-values-order file --log-level warning

.PHONY: verify
verify: dev-tools ## Check formatting, lint, import arrows, generated files, charts, licences, scripts, pins, vulnerabilities. VERIFY_STRICT=1.
	@go mod tidy -diff
	@$(BIN)/golangci-lint config verify
	@$(BIN)/golangci-lint run ./...
	@tools/verify-generated.sh $(BIN)
	@go run ./tools/apidoc --check
	@go run ./tools/capacitydoc --check
	@go run ./tools/metricsdoc --check
	@go run ./tools/settingsdoc --check
	@go run ./tools/dashboards --check
	@go run ./tools/build --bin $(BIN) helm
	@tools/verify-charts.sh $(BIN)
	@tools/verify-pins.sh
	@tools/verify-scripts.sh $(BIN)
	@go run ./tools/licences --quiet
	@tools/verify-vulnerabilities.sh $(BIN)

.PHONY: clean
clean: ## Remove bin/ and out/. Running clusters must be ended first.
	@rm -rf $(BIN) out
