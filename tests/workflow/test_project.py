"""The project agrees with itself: schema, environments, studies, captions, layers, lint."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from elasticity.config.loading import read_study_file
from elasticity.config.reference import reference
from elasticity.config.schema import schema
from elasticity.pipeline.cost import report
from elasticity.report import card_schema
from tests.conftest import ROOT, Project, tiny_study
from tests.end_to_end.test_variants import variants

LIBRARY = ROOT / "workflow/scripts/elasticity"
STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "studies").glob("*.yaml"))]


def test_the_schema_is_that_of_the_types() -> None:
    assert (ROOT / "workflow/schemas/study.schema.json").read_text() == schema()
    assert json.loads(schema())["additionalProperties"] is False


def test_the_reference_of_the_configuration_is_that_of_the_types() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == reference()


def test_the_schema_of_cards_is_that_of_their_types() -> None:
    assert (ROOT / "workflow/schemas/card.schema.json").read_text() == card_schema.schema()


def test_conda_and_pip_install_the_same_packages() -> None:
    lock = [line for line in (ROOT / "envs/requirements.txt").read_text().splitlines() if not line.startswith("#")]
    environment = yaml.safe_load((ROOT / "envs/elasticity.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == lock
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", line) for line in lock)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_every_study_is_valid_and_can_be_planned(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    study = read_study_file(path)
    words = report(study)
    assert words.startswith(f"study {study.name}: {len(study.seeds)} seeds")
    assert re.search("checkpoints of one run|each size is a run of its own", words)


def test_the_slurm_profile_is_found_from_the_root() -> None:
    assert (ROOT / "slurm").is_symlink()
    profile = yaml.safe_load((ROOT / "slurm/config.yaml").read_text())
    assert profile["executor"] == "slurm"


@pytest.mark.parametrize(
    "module",
    [
        "plan",
        "budget",
        "requests",
        "resources",
        "fitting",
        "status",
        "sources",
        "prompts",
        "judgement",
        "figures",
        "report_page",
    ],
)
def test_torch_is_not_imported_where_nothing_needs_it(module: str) -> None:
    code = f"import sys, elasticity.{module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=LIBRARY.parent, check=True)


def test_the_library_does_not_know_snakemake() -> None:
    importing = [path.name for path in LIBRARY.glob("*.py") if re.search(r"(from|import) snakemake", path.read_text())]
    assert importing == []


def test_no_script_hides_a_module_of_python() -> None:
    """A script's folder is searched first; ``compression`` is a module from Python 3.14 on, which packages look for."""
    names = {path.stem for path in LIBRARY.parent.glob("*.py")}
    assert not names & {*sys.stdlib_module_names, "compression"}


@pytest.mark.slow
def test_lint_and_dry_run_of_both_profiles(tmp_path: Path) -> None:
    project = Project.new(tmp_path)
    assert "good condition" in project.snakemake("--lint")
    assert "pretrain" in project.snakemake("--dry-run", "--profile", "slurm")


@pytest.mark.slow
def test_jobs_of_one_submission_follow_one_another(tmp_path: Path) -> None:
    """Snakemake would ask for the nodes and GPUs of all that could run side by side."""
    project = Project.new(tmp_path)
    project.write_study(variants(project.folder))
    graph = project.snakemake("--rulegraph")
    rules = dict(re.findall(r'^\s*(\d+)\[label = "([^"\\]+)', graph, re.MULTILINE))
    before: dict[str, set[str]] = {}
    for first, then in re.findall(r"(\d+) -> (\d+)", graph):
        before.setdefault(rules[then], set()).add(rules[first])

    def is_after(rule: str, other: str) -> bool:
        return any(found == other or is_after(found, other) for found in before.get(rule, ()))

    members: dict[str, list[str]] = {}
    for line in yaml.safe_load((ROOT / "slurm/config.yaml").read_text())["groups"]:
        rule, group = line.split("=")
        members.setdefault(group, []).extend([rule] if rule in before else [])
    assert sum(map(len, members.values())) > 10
    for group in members.values():
        assert all(is_after(one, other) or is_after(other, one) for one, other in combinations(group, 2)), group


@pytest.mark.slow
def test_plan_says_what_a_study_costs_and_how_sizes_share_runs(tmp_path: Path) -> None:
    project = Project.new(tmp_path)
    assert "alignment stage, recipe first: the sizes are checkpoints of one run" in project.snakemake("plan")
    study = tiny_study()
    study["inverse"] = study["inverse"] | {"schedule": "cosine"}
    project.write_study(study)
    output = project.snakemake("plan")
    assert "inverse stage, recipe second: each size is a run of its own" in output
    assert re.search(r"second side +16 ", output)  # seeds × (3 + 3 sizes of nano, 2 of nano-step3)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_documents_point_at_files_that_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    named = re.findall(r"`((?:workflow|docs|envs|studies|profiles|benchmarks|tests)/[\w./-]*[\w/])`", text)
    named = [path for path in named if "mine" not in path and "X" not in path]
    assert linked + named
    assert [path for path in linked + named if not (ROOT / path).exists()] == []
