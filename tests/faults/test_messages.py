"""Wrong input through the real command ends with a message that names it, without a traceback or lost results."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Project, tiny_study

pytestmark = pytest.mark.slow


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    return finished.copy(tmp_path / "copy")


def error_of(project: Project, *arguments: str) -> str:
    output = project.snakemake(*arguments, ok=False)
    assert "Traceback" not in output
    return output


SPLIT = ("results/tiny/made-up/splits/positive.parquet",)

MISTAKES: dict[str, tuple[Callable[[dict[str, Any]], object], list[str]]] = {
    "misspelt key": (lambda s: s["sampling"].update(temprature=1.0), ["sampling.temprature", "'temperature'"]),
    "number read as text": (
        lambda s: s["alignment"].update(learning_rate="1e-5"),
        ["alignment.learning_rate", "1.0e-5"],
    ),
    "more texts than the split": (lambda s: s["rebound"]["existence"]["alignment_sizes"].append(48), ["48", "40"]),
    "unknown model": (lambda s: s["rebound"]["existence"]["bases"].append("nan0"), ["'nan0'", "nano-step3"]),
    "name with a space": (lambda s: s.update(name="my study"), ["my study", "letters, digits, dots and hyphens"]),
    "duplicate seeds": (lambda s: s.update(seeds=[1, 1]), ["seeds", "[1, 1]"]),
    "no sizes": (lambda s: s["rebound"]["existence"].update(alignment_sizes=[]), ["alignment_sizes", "at least 1"]),
}


@pytest.mark.parametrize(("change", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_study(project: Project, change: Callable[[dict[str, Any]], object], words: list[str]) -> None:
    study = tiny_study()
    change(study)
    project.write_study(study)
    output = error_of(project)
    assert [word for word in words if word not in output] == []


def test_too_few_texts_for_the_splits(project: Project) -> None:
    study = tiny_study()
    study["tasks"]["made-up"]["splits"]["pretraining"] = 10_000
    project.write_study(study)
    output = error_of(project)
    assert "the split pretraining needs 5000 negative examples, but the data hold 134 for it" in output
    assert "Make this split or the splits before it smaller" in output


def test_data_with_another_checksum(project: Project) -> None:
    study = tiny_study()
    study["tasks"]["made-up"]["source"]["sha256"] = "0" * 64
    project.write_study(study)
    output = error_of(project)
    assert "reviews.jsonl has another checksum" in output


def test_a_truncated_table(project: Project) -> None:
    scores = project.folder / "results/tiny/made-up/scores.parquet"
    scores.write_bytes(scores.read_bytes()[:-20])
    output = error_of(project)
    assert "scores.parquet cannot be read as parquet" in output
    assert "Delete" in output
    scores.unlink()
    project.snakemake()


def test_a_failed_job_prints_the_command_that_runs_only_this_job_again(project: Project) -> None:
    script = project.folder / "workflow/scripts/figure.py"
    right = script.read_text()
    script.write_text(right + "    raise KeyError('colour')\n")
    figures = project.folder / "results/tiny/figures"
    output = project.snakemake(f"{figures.relative_to(project.folder)}/rebound-existence.svg", ok=False)
    assert "rebound_figure failed: results/tiny/figures/rebound-existence.svg\n  KeyError: 'colour'\n" in output
    assert output.count("Traceback") == 1
    status = project.status()
    assert "failed: figures/rebound-existence.svg\n  KeyError: 'colour'\n" in status
    script.write_text(right)
    commands = re.findall(r"run only (?:this|these) again:\n +(.*)", output + status)
    assert len(commands) == 2
    for command in commands:
        (figures / "rebound-existence.svg").unlink(missing_ok=True)
        subprocess.run(command, shell=True, cwd=project.folder, check=True)
        assert (figures / "rebound-existence.svg").exists()
    assert "failed" not in project.status()


def test_a_score_model_that_is_not_good_enough(project: Project) -> None:
    study = tiny_study()
    study["tasks"]["made-up"]["score_model"] |= {"min_accuracy": 1.0, "snippet_words": 1}
    project.write_study(study)
    assert "below min_accuracy 1.0" in error_of(project)


def test_labels_that_are_not_in_the_data(project: Project) -> None:
    study = tiny_study()
    study["tasks"]["made-up"]["source"]["fields"] = {"positive": "good"}
    project.write_study(study)
    assert "no row has label good; found: 0 (240 rows), 1 (240 rows)" in error_of(project)


def test_a_folder_that_is_not_a_model(project: Project) -> None:
    study = tiny_study()
    study["models"]["empty"] = {"kind": "folder", "path": "envs"}
    study["rebound"]["pretraining"]["bases"].append("empty")
    project.write_study(study)
    assert "models.empty.path: envs is not a model folder: it holds no config.json" in error_of(project)


def test_a_missing_data_file(project: Project) -> None:
    (project.folder / "reviews.jsonl").unlink()
    assert "tasks.made-up.source.path: reviews.jsonl does not exist" in error_of(project)


def test_a_project_in_a_folder_with_braces_is_refused(tmp_path: Path) -> None:
    output = error_of(Project.new(tmp_path / "{x}"), "--dry-run")
    assert "{x} has a brace in its name, which Snakemake reads as a wildcard: move the project" in output


def test_braces_in_the_texts_of_a_study_are_texts(tmp_path: Path) -> None:
    project = Project.new(tmp_path)
    study = tiny_study()
    study["claims"]["crosses"]["hypothesis"] = "a set {x, y} and {params.job}"
    project.write_study(study)
    project.snakemake(*SPLIT)
    (tmp_path / "of {x}.yaml").write_text((tmp_path / "config.yaml").read_text())
    assert "Nothing to be done" in project.snakemake("--configfile", "of {x}.yaml", "--", *SPLIT)
