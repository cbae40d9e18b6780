"""What runs again after a change: dry runs on a finished study."""

import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Project, tiny_study

pytestmark = pytest.mark.slow

Study = dict[str, Any]


def planned(project: Project) -> Counter[str]:
    """How many jobs of each rule a dry run announces."""
    output = project.snakemake("--dry-run")
    table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", output, re.DOTALL)
    if table is None:
        assert "Nothing to be done" in output
        return Counter()
    return Counter({rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)", table[1], re.MULTILINE)})


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    return finished.copy(tmp_path / "copy")


def edited(project: Project, file: str, old: str, new: str) -> Project:
    path = project.folder / "workflow" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return project


def changed(project: Project, change: Callable[[Study], object]) -> Project:
    study = tiny_study()
    change(study)
    project.write_study(study)
    return project


def test_nothing_to_do_after_a_run(project: Project) -> None:
    assert planned(project) == Counter()


def test_touching_every_file_reruns_nothing(project: Project) -> None:
    for path in project.folder.rglob("*"):
        if ".snakemake" not in path.parts:
            os.utime(path)
    assert planned(project) == Counter()


def test_captions_and_comments_rerun_the_page_at_most(project: Project) -> None:
    edited(project, "scripts/elasticity/training.py", '"""', '"""Changed. ')
    for caption in (project.folder / "workflow/report").glob("*.rst"):
        caption.write_text("changed")
    assert planned(project) == Counter(report=1, all=1)


def test_figure_code_renders_figures_only(project: Project) -> None:
    edited(project, "scripts/elasticity/figures.py", 'MARKERS = "os', 'MARKERS = "so')
    figures = Counter(rebound_figure=2, resistance_figure=1, measures_figure=3, verdicts_figure=1)
    assert planned(project) == figures + Counter(provenance=1, card=2, report=1, all=1)


def test_a_library_module_reruns_the_stages_that_import_it(project: Project) -> None:
    """And nothing else but what comes after them, and the slices' weights, which were temporary."""
    edited(project, "scripts/elasticity/crossentropy.py", "batch_size: int = 64", "batch_size: int = 32")
    measured = Counter(held_out=1, cross_entropy=2)
    after = Counter(
        bits_per_byte_table=1, resistance_table=1, resistance_figure=1, provenance=1, card=2, report=1, all=1
    )
    after += Counter(measures_table=1, measures_figure=1, verdicts_table=1, verdicts_figure=1)
    weights = Counter(slices=2, generate_slices=2, tune=12)
    assert planned(project) == measured + after + weights


def test_a_changed_claim_is_judged_anew_and_trains_nothing(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["claims"]["resists"].update(margin=0.1)))
    assert jobs == Counter(verdicts_table=1, verdicts_figure=1, provenance=1, card=2, report=1, all=1)


def test_changed_data_are_read_again(project: Project) -> None:
    with (project.folder / "reviews.jsonl").open("a") as file:
        file.write('{"text": "one more", "label": 1}\n')
    assert planned(project)["fetch"] == 1


def test_an_added_inverse_size_trains_only_that_size(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["rebound"]["existence"]["inverse_sizes"].append(12)))
    assert jobs["inverse"] == jobs["response"] == 4  # two first sizes, two seeds
    assert not jobs.keys() & {"split", "pretrain", "alignment", "slices", "tune", "generate_base", "score_model"}


def test_an_added_alignment_size_trains_only_that_size(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["rebound"]["existence"]["alignment_sizes"].append(24)))
    assert jobs["alignment"] == jobs["inverse"] == jobs["response"] == 2  # two seeds
    assert not jobs.keys() & {"split", "pretrain", "slices", "tune", "generate_base", "score_model"}


def test_an_added_seed_runs_only_that_seed(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["seeds"].append(3)))
    assert jobs["alignment"] == 2  # two bases
    assert jobs["inverse"] == jobs["response"] == 3
    assert jobs["slices"] == jobs["generate_slices"] == jobs["cross_entropy"] == 1
    assert jobs["tune"] == 6
    assert not jobs.keys() & {"split", "pretrain", "generate_base", "held_out", "score_model"}


def test_an_added_model_runs_only_that_model(project: Project) -> None:
    def add(study: Study) -> None:
        study["models"]["wide"] = study["models"]["nano"] | {"hidden_size": 32, "checkpoints": []}
        study["rebound"]["pretraining"]["bases"].append("wide")

    jobs = planned(changed(project, add))
    assert jobs["pretrain"] == jobs["generate_base"] == 1
    assert jobs["alignment"] == jobs["inverse"] == jobs["response"] == 2
    assert not jobs.keys() & {"split", "tokenizer", "slices", "tune", "score_model"}


def test_a_removed_size_trains_nothing(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["rebound"]["existence"]["inverse_sizes"].remove(4)))
    assert not jobs.keys() & {"alignment", "inverse", "response", "score"}


def test_a_new_learning_rate_of_the_second_side_reruns_second_sides(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study.update(inverse=study["inverse"] | {"beta2": 0.9})))
    assert jobs["inverse"] == jobs["response"] == 6
    assert not jobs.keys() & {"split", "pretrain", "alignment", "slices", "tune", "generate_base", "score_model"}
