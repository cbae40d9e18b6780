"""From a model and a file of data to its card with the two commands of the README, on the real graph."""

import json
import shutil
from pathlib import Path

import pytest

from elasticity.config.loading import read_study_file
from elasticity.report.card_page import read_card
from tests.conftest import ROOT, Project
from tests.unit.families import FAMILIES

pytestmark = pytest.mark.slow


def test_a_model_and_a_file_get_a_card(tmp_path: Path) -> None:
    project = Project.new(tmp_path / "a project")
    shutil.copy(ROOT / "config.yaml", project.folder)
    FAMILIES["smollm2"].save(project.folder / "mine/model")
    rows = [json.loads(line) for line in (project.folder / "reviews.jsonl").read_text().splitlines()[:230]]
    asked = [
        {"question": row["text"].partition(":")[0], "answer": row["text"], "good": row["label"] == 1} for row in rows
    ]
    (project.folder / "mine/answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    said = project.elasticity("new", "mine", "--model", "mine/model", "--data", "mine/answers.jsonl").stdout
    assert "make run STUDY=studies/mine.yaml" in said
    project.snakemake("--configfile", "studies/mine.yaml")
    study = read_study_file(project.folder / "studies/mine.yaml")
    card = read_card(project.folder / "results/mine/cards/model.json")
    (rebound, *_) = card.rebound or []
    assert rebound.experiment == "existence"
    assert [point.alignment_size for point in rebound.lean_return or []] == list(rebound.alignment_sizes)
    assert rebound.lean_crossing_end is not None
    assert rebound.lean_crossing_end.seeds == len(study.seeds)
    assert rebound.crossing_end is rebound.reversal_ratio is None  # nothing was scored
    assert {it.claim for it in card.verdicts or []} == set(study.claims)
    assert {it.corpus for it in card.compression or []} == {"positive", "negative", "pretraining"}
    page = (project.folder / "results/mine/cards/model.html").read_text()
    assert "crossing of the lean, at the largest N" in page
    assert (project.folder / "results/mine/report.html").is_file()
