# `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Number of test processes: auto is one per CPU, 0 runs all tests in this process.
WORKERS ?= auto

.DEFAULT_GOAL := help

$(VENV)/.ready: requirements/uv.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is required: make PYTHON=python3.11 …" >&2; exit 1; }
	@echo "Installing the pinned dependencies into $(VENV) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# The environment of the running lab.
LAB_ENV := .lab/env
WITH_LAB = test -f $(LAB_ENV) || { echo "No lab is running: make lab" >&2; exit 1; }; . ./$(LAB_ENV)

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.ready ## Run a demo on this machine: a cluster, an emulated AWS and the operator
	@$(BIN)/python -m dynconfig_lab.demo

.PHONY: lab
lab: $(VENV)/.ready ## Start Kubernetes and an emulated AWS in the background; writes .lab/env
	@$(BIN)/python -m dynconfig_lab up

.PHONY: lab-down
lab-down: $(VENV)/.ready ## Stop the lab
	@$(BIN)/python -m dynconfig_lab down

.PHONY: kind-up
kind-up: $(VENV)/.ready ## Start the lab in a kind cluster, with the operator's image; requires Docker and kind
	@$(BIN)/python -m dynconfig_lab.kind up

.PHONY: kind-down
kind-down: $(VENV)/.ready ## Delete the kind cluster
	@$(BIN)/python -m dynconfig_lab.kind down

.PHONY: operator
operator: $(VENV)/.ready ## Run the operator against the lab, in the foreground
	@$(WITH_LAB); $(BIN)/python -m dynconfig_lab kubectl apply -k crds \
		&& export DYNCONFIG_TENANCY=$${DYNCONFIG_TENANCY:-$${DYNCONFIG_POLICY:+shared}} \
		&& export DYNCONFIG_TENANCY=$${DYNCONFIG_TENANCY:-single} && exec $(BIN)/dynconfig run

.PHONY: test
test: check lab-binaries lab-tools ## Run all checks and tests: lint, types, import contracts, unit, lab, end-to-end
	@# The tests start hundreds of Python processes; without bytecode each compiles all sources anew.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -q -n $(WORKERS)

.PHONY: explore
explore: $(VENV)/.ready ## Run the property tests with thousands of new examples
	@$(BIN)/pytest -q --hypothesis-profile=explore --timeout=1800 -m "hypothesis and not lab and not e2e"

.PHONY: test-faults
test-faults: $(VENV)/.ready lab-binaries ## Test with faults: kill -9 at each AWS write, lost answers, API server restarts, many events; prints the number of points
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -q -n $(WORKERS) -m e2e tests/faults

.PHONY: test-gitops
test-gitops: $(VENV)/.ready lab-binaries ## Test with a real Argo CD (built once): sync, health, self-heal, prune, promotion
	@$(BIN)/python -m dynconfig_lab tools --argocd
	@$(BIN)/pytest -q -m argocd tests/gitops/live

.PHONY: lab-binaries
lab-binaries: $(VENV)/.ready
	@$(BIN)/python -m dynconfig_lab binaries

.PHONY: lab-tools
lab-tools: $(VENV)/.ready
	@$(BIN)/python -m dynconfig_lab tools

.PHONY: check
check: $(VENV)/.ready ## Check lint, types and import contracts
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy operator/dynconfig lab/dynconfig_lab lambda_app/dynconfig_function tests benchmarks
	@$(BIN)/lint-imports --no-logo

.PHONY: audit
audit: $(VENV)/.ready ## Check the pinned dependencies for known vulnerabilities; requires the JSON API of pypi.org
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/audit
	@$(BIN)/uv pip install --quiet --python $(VENV)/audit/bin/python --require-hashes --no-deps -r requirements/audit.txt
	@$(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off $(addprefix -r ,$(wildcard requirements/*.txt))

.PHONY: unit
unit: $(VENV)/.ready ## Run the tests that need no other process
	@$(BIN)/pytest -q -m "not lab and not e2e and not tools and not argocd"

.PHONY: bench
bench: $(VENV)/.ready lab-binaries ## Run the benchmarks and print the figures
	@$(BIN)/python -m benchmarks

.PHONY: bench-full
bench-full: $(VENV)/.ready lab-binaries ## Run the benchmarks that take long, too: lower quotas, growth, 1,000 waiting edits, ten minutes of kills and pauses, 10,000 objects
	@$(BIN)/python -m benchmarks --full

.PHONY: generate
generate: crd iam argocd golden ## Generate all generated files: CRD, chart copies, IAM policies, Argo CD files, golden files

.PHONY: crd
crd: $(VENV)/.ready ## Generate the CustomResourceDefinitions
	@$(BIN)/dynconfig crd --kind DynamicConfig > crds/dynamicconfigs.dynconfig.dev.yaml
	@$(BIN)/dynconfig crd --kind AWSTarget > crds/awstargets.dynconfig.dev.yaml
	@$(MAKE) --no-print-directory chart

.PHONY: chart
chart: ## Copy the files that the Helm chart shares with manifests/install
	@cp crds/dynamicconfigs.dynconfig.dev.yaml charts/dynconfig-operator/files/crd.yaml
	@cp crds/awstargets.dynconfig.dev.yaml charts/dynconfig-operator/files/targets.yaml
	@cp crds/protection.yaml charts/dynconfig-operator/files/protection.yaml
	@cp crds/limits.yaml charts/dynconfig-operator/files/limits.yaml
	@cp crds/secrets.yaml charts/dynconfig-operator/files/secrets.yaml
	@cp crds/access.yaml charts/dynconfig-operator/files/access.yaml
	@for name in rbac operator-writes networkpolicy; do cp manifests/install/$$name.yaml charts/dynconfig-operator/files/; done

# The example of manifests/iam; a test compares the files with the output of the command.
IAM_EXAMPLE = --path /myapp --function 'dynconfig-*' --function 'myapp-*' --account 123456789012 --region eu-west-1 \
	--key arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555 \
	--operator-role arn:aws:iam::123456789012:role/dynconfig-operator --boundary arn:aws:iam::123456789012:policy/boundary

.PHONY: iam
iam: $(VENV)/.ready ## Generate the IAM policies in manifests/iam
	@for part in parameters functions; do $(BIN)/dynconfig iam $(IAM_EXAMPLE) --part $$part > manifests/iam/$$part.json || exit 1; done
	@$(BIN)/dynconfig iam --target manifests/examples/tenants/target.yaml > manifests/iam/target.json

.PHONY: argocd
argocd: $(VENV)/.ready ## Generate the health check and actions for Argo CD, and their test cases
	@$(BIN)/python -m tests.gitops.refresh

.PHONY: golden
golden: $(VENV)/.ready ## Rewrite the golden files of the tests; review the diff
	@GOLDEN=write $(BIN)/pytest -q $$(grep -lE 'golden\.check|GOLDEN' -r tests --include='test_*.py')

.PHONY: format
format: $(VENV)/.ready ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

.PHONY: lock
lock: $(VENV)/.ready ## Update the pinned dependencies, with hashes and without an index URL
	@$(BIN)/uv pip compile pyproject.toml --all-extras --generate-hashes --python-version 3.11 --no-header --quiet -o requirements/dev.txt
	@$(BIN)/uv pip compile pyproject.toml --generate-hashes --python-version 3.11 --no-header --quiet -o requirements/operator.txt
	@$(BIN)/uv pip compile pyproject.toml --extra lab --generate-hashes --python-version 3.11 --no-header --quiet -c requirements/dev.txt -o requirements/lab.txt
	@echo pip-audit | $(BIN)/uv pip compile - --generate-hashes --python-version 3.11 --no-header --no-annotate --quiet -o requirements/audit.txt

.PHONY: clean
clean: lab-down ## Stop the lab and remove all generated files
	@rm -rf $(VENV) .lab .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
