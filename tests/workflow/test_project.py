"""The project is consistent: schemas, environments, studies, layers, profiles, lint."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from elasticity.config.loading import read_study_file
from elasticity.config.reference import reference
from elasticity.config.schema import schema
from elasticity.pipeline.planning.plan import plan
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


def pins(path: Path) -> dict[str, str]:
    """The version of each package in a lock file."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", line) for line in lines)
    return dict(line.split("==") for line in lines)


def direct_dependencies(path: Path) -> set[str]:
    """The packages that a ``.in`` file names."""
    return {re.split(r"[<>=!~;\[ ]", line)[0] for line in path.read_text().splitlines() if not line.startswith("#")}


def test_conda_and_pip_install_the_same_packages() -> None:
    environment = yaml.safe_load((ROOT / "envs/elasticity.yaml").read_text())
    listed = environment["dependencies"][-1]["pip"]
    assert dict(line.split("==") for line in listed) == pins(ROOT / "envs/requirements.txt")


@pytest.mark.parametrize("name", ["requirements", "requirements-dev", "requirements-tracking"])
def test_every_direct_dependency_is_pinned(name: str) -> None:
    pinned = pins(ROOT / f"envs/{name}.txt")
    main = pins(ROOT / "envs/requirements.txt")
    assert direct_dependencies(ROOT / f"envs/{name}.in") <= pinned.keys() | main.keys()
    if name != "requirements":
        assert not pinned.keys() & main.keys()


def test_every_imported_package_is_a_direct_dependency() -> None:
    named = {package.replace("-", "_") for package in direct_dependencies(ROOT / "envs/requirements.in")}
    named |= {"patches", "elasticity", "sklearn", "yaml", "tensorboard", *sys.stdlib_module_names}
    named |= {"trl", "training"}  # of benchmarks, which compare with trl if it is installed
    files = [*(ROOT / "workflow").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py"), *(ROOT / "envs").glob("*.py")]
    missing = {}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            missing |= {name: path for name in names if name.split(".")[0] not in named}
    assert missing == {}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_every_study_is_valid_and_can_be_planned(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    study = read_study_file(path)
    words = plan(study)
    assert words.startswith(f"study {study.name}: {len(study.seeds)} seeds")
    assert re.search("checkpoints of one run|each size is a run of its own", words)


def test_the_slurm_profile_is_found_from_the_root() -> None:
    assert (ROOT / "slurm").is_symlink()
    profile = yaml.safe_load((ROOT / "slurm/config.yaml").read_text())
    assert profile["executor"] == "slurm"


@pytest.mark.parametrize("package", ["config", "resources", "analysis", "plots", "report", "pipeline"])
def test_torch_is_not_imported_where_nothing_needs_it(package: str) -> None:
    """``lint-imports`` finds imports of modules; this finds what those import when they run."""
    files = [path.relative_to(LIBRARY.parent).with_suffix("") for path in (LIBRARY / package).rglob("*.py")]
    modules = sorted(".".join(file.parts) for file in files if file.name not in ("__init__", "preview"))
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=LIBRARY.parent, check=True)


def test_layers_are_those_of_the_packages() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["id"] == "layers"]
    named = {name for layer in layers for name in layer.split(" | ")}
    packages = {path.name for path in LIBRARY.iterdir() if (path / "__init__.py").exists()}
    assert named == packages | {"__main__"}


def test_the_library_does_not_know_snakemake() -> None:
    pattern = re.compile(r"^\s*(from|import) snakemake", re.MULTILINE)
    assert [path.name for path in LIBRARY.rglob("*.py") if pattern.search(path.read_text())] == []


@pytest.mark.parametrize("path", sorted((ROOT / "workflow/rules").glob("*.smk")), ids=lambda path: path.name)
def test_inputs_are_paths(path: Path) -> None:
    """With ``rules.NAME.output`` as an input, a job on a cluster's node runs that rule again: see ``common.smk``."""
    code = re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL)
    assert not re.findall(r"\brules\.\w+\.(?:output|input)", code)


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
    """For jobs that could run side by side, Snakemake would request the nodes and GPUs of all of them."""
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
    assert "alignment, recipe alignment: the sizes are checkpoints of one run" in project.snakemake("plan")
    study = tiny_study()
    study["inverse"] = study["inverse"] | {"schedule": "cosine"}
    project.write_study(study)
    output = project.elasticity("plan", "config.yaml").stdout
    assert "inverse, recipe inverse: each size is a run of its own" in output
    assert re.search(r"inverse +16 ", output)  # seeds × (3 + 3 sizes of nano, 2 of nano-step3)
