# Everything a newcomer types. Nothing needs to be installed first but Python 3.11, make and apt's own programs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Test processes side by side: more than two cores can do, since tests wait for sounds and servers more than they count.
PROCESSES ?= 3
BY_CHANCE := $(addprefix tests/integration/test_,api_schema.py canaries.py callback_life.py one_claim_rule.py any_conversation.py tallies.py) \
	tests/acceptance/test_claim_rest_race.py
export INNRINGING_ENVIRONMENT ?= demo

.PHONY: run test deep unit check docs screens vendor bench bench-page chaos fire up proxy proxy-down two-nodes two-nodes-down patch down clean venv dev-venv bench-venv tree images identity-provider

run: venv ## Asterisk, the phone door and the web door on this machine; Ctrl-C stops them
	@exec $(BIN)/innringing run

test: dev-venv tree images identity-provider ## every test
	$(BIN)/pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder $(TESTS)

deep: dev-venv tree ## what tests try by chance or by the thousand, all of it, with another seed each day; TEST_SEED replays one
	TEST_DEEP=yes $(BIN)/pytest -n $(PROCESSES) --dist loadfile --timeout 3600 $(BY_CHANCE)

unit: dev-venv ## the tests of single parts: under 90 s on two cores, with no server and no container
	$(BIN)/pytest -n $(PROCESSES) tests/unit

check: dev-venv ## style, types, layers, plain English, lengths and class names, the operators' files, and known weaknesses of what we depend on
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m ops.machine.prose
	$(BIN)/python -m ops.machine.shape
	$(BIN)/python -m ops.machine.vendor
	$(BIN)/innringing check
	@$(BIN)/python -m ops.machine.dependency_audit

docs: venv ## the pages of docs/ that are written from the code
	@$(BIN)/python -m ops.machine.reference
	@$(BIN)/innringing rehearse kirurgi --at 2026-11-24T09:00 --quiet --diagram docs/call-flow.md

screens: dev-venv tree ## the pictures of the console in docs/screens/, taken again
	$(BIN)/python -m tests.screens

vendor: venv ## fetch the files of others that the console sends to browsers
	$(BIN)/python -m ops.machine.vendor fetch

bench: bench-venv tree images ## calls compared with a plain dialplan, the queue compared with other queues, live events
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.queue
	$(BIN)/python -m tests.bench.live
	$(BIN)/python -m tests.bench.answer_to_confirmation

bench-page: bench-venv tree images ## the figures that have a goal on one page, with the machine and the date; nothing else may run meanwhile
	$(BIN)/python -m tests.bench.page $(ARGUMENTS)

chaos: dev-venv tree ## calls while things die, freeze and fill up; ARGUMENTS="--seed 17 --kinds ARI" replays a part
	$(BIN)/python -m tests.chaos $(ARGUMENTS)

fire: dev-venv ## a hundred thousand claims while the claiming processes are killed
	$(BIN)/python -m tests.chaos.claims_under_fire --callbacks 100000

up: venv ## the production shape in containers
	$(BIN)/python -m ops.commands.compose up

proxy: venv ## Kamailio in a container, before the nodes of several machines
	$(BIN)/python -m ops.commands.proxy up

proxy-down: venv
	$(BIN)/python -m ops.commands.proxy down

two-nodes: venv ## two nodes and Kamailio in containers on this machine, to try what several machines do
	$(BIN)/python -m ops.commands.two_nodes up

two-nodes-down: venv
	$(BIN)/python -m ops.commands.two_nodes down

patch: venv ## all images again, from today's packages; then make up
	@$(BIN)/python -m ops.machine.patches

down: venv
	$(BIN)/python -m ops.commands.compose down

venv: ## .venv with what the service needs, and no test tools
	@$(PYTHON) -m ops.machine.venv

dev-venv: ## .venv with the tools for tests and checks too
	@$(PYTHON) -m ops.machine.venv dev

bench-venv: dev-venv
	@$(PYTHON) -m ops.machine.venv bench

images: venv
	@$(BIN)/python -m ops.machine.images

tree: venv
	@$(PYTHON) -m ops.machine.tree asterisk

identity-provider: venv
	@$(BIN)/python -m ops.machine.identity_provider

clean: ## what was built and what was recorded here; the cache folder stays
	rm -rf $(VENV) prompts/build var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
