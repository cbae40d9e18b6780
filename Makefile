# make run     set up, run the default study, write the report     (STUDY=studies/laptop.yaml for another one)
# make test    set up, check and test everything
# make status  how far the study is, what failed and how to run it again; also while it runs
# make plan    what a study will cost
# make show-example   an example of a task with its loss mask     (TASK=... MODEL=...; STUDY as above)
# make bench   time the study from scratch in a folder of its own
# make compare  elasticity cards beside each other           (CARDS="results/a/cards/m.json results/b/cards/m.json")
# make track   what TensorBoard shows of the finished runs
# make clean   forget the results of the study

PYTHON ?= python3
CORES ?= $(shell nproc)
STUDY ?= config.yaml
NAME := $(shell sed -n "s/^name: *[\"']*\([A-Za-z0-9][A-Za-z0-9.-]*\).*/\1/p" $(STUDY))
$(if $(NAME),,$(error $(STUDY) has no line "name: NAME"; its results need a folder results/NAME))
REPORT = results/$(NAME)/report.html
SNAKEMAKE = .venv/bin/snakemake --configfile $(STUDY) --cores $(CORES)

COMPARED ?= results/compared

.PHONY: show-example run report compare test test-graph test-parts test-unit check plan status bench track clean setup

run: setup
	$(SNAKEMAKE)
	@echo "Read $(REPORT), results/$(NAME)/figures and results/$(NAME)/tables."

report: setup
	$(SNAKEMAKE) -- $(REPORT)

plan: setup
	@$(SNAKEMAKE) --quiet all -- plan

status: setup
	@.venv/bin/python workflow/scripts/show_status.py $(STUDY)

show-example: setup
	@.venv/bin/python workflow/scripts/show_example.py $(STUDY) $(TASK) $(MODEL)

compare: setup
	@.venv/bin/python workflow/scripts/compare_cards.py $(CARDS) --to $(COMPARED)

track: .venv/tracking-installed
	.venv/bin/python workflow/scripts/track.py $(STUDY)

bench: setup
	.venv/bin/python benchmarks/study.py $(STUDY) --cores $(CORES)

# Two processes side by side, because much of it waits; what each has to say comes when it is done.
test: .venv/tests-installed check
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target test-graph test-parts test-unit

test-graph:
	.venv/bin/python -m pytest tests/end_to_end tests/faults tests/workflow

test-parts:
	.venv/bin/python -m pytest tests/slurm tests/distributed

test-unit:
	.venv/bin/python -m pytest tests/unit

check: .venv/tests-installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy workflow/scripts/elasticity $(wildcard workflow/scripts/*.py) workflow/patches benchmarks
	.venv/bin/snakefmt --check Snakefile workflow/rules
	.venv/bin/snakemake --lint

clean:
	rm -rf results/$(NAME)

setup: .venv/installed

.venv/installed: envs/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r envs/requirements.txt
	@touch $@

.venv/tests-installed: .venv/installed .venv/tracking-installed envs/requirements-dev.txt
	.venv/bin/pip install --quiet --disable-pip-version-check -r envs/requirements.txt -r envs/requirements-dev.txt
	@touch $@

.venv/tracking-installed: .venv/installed envs/requirements-tracking.txt
	.venv/bin/pip install --quiet --disable-pip-version-check -r envs/requirements.txt -r envs/requirements-tracking.txt
	@touch $@
