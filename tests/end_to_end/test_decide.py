"""Seeds are added to the tiny study until its claim is decided or no more may be added."""

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import Project, expected, tiny_study

pytestmark = pytest.mark.slow

ROUNDS = {"start": 2, "step": 1, "at_most": 3}


def test_rounds_of_seeds_are_run_until_the_end_and_train_only_new_seeds(tmp_path: Path) -> None:
    project = Project.new(tmp_path)
    study = tiny_study() | {"resistance": {}, "calibration": {"draws": 50}, "decide": ROUNDS}
    study["rebound"] = {"existence": study["rebound"]["existence"]}
    study["claims"] = {"starts": expected("existence", "start", "greater") | {"margin": 0.0002}}
    project.write_study(study)
    results = tmp_path / "results/tiny"
    project.snakemake("results/tiny/tables/verdicts.csv")
    runs = {path: path.stat().st_mtime_ns for path in results.glob("made-up/rebound/**/seed*/**/metrics.json")}
    assert json.loads((results / "tables/claims.json").read_text())["looks"] == "2 of at most 3 seeds"

    told = project.elasticity("decide", "config.yaml", "--cores", "2").stdout
    assert "After 2 seeds undecided: starts. Going on to 3 seeds." in told
    assert "After 3 seeds undecided: starts. Read results/tiny/report.html" in told
    assert json.loads((results / "seeds.json").read_text()) == [1, 2, 3]
    assert {path: path.stat().st_mtime_ns for path in runs} == runs
    assert len(list(results.glob("made-up/rebound/**/seed3/**/metrics.json"))) == len(runs) / 2
    with (results / "tables/verdicts.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["seeds"], row["verdict"]) == ("3", "undecided")
    assert "after 2, 3 of at most 3 seeds" in (results / "report.html").read_text()
    claims = (results / "tables/calibration-claims.csv").read_text()
    assert "starts" in claims
    assert "any confirmatory claim" in claims

    # Every later command goes on with these seeds, and there is nothing left to do.
    assert "study tiny: 3 seeds" in project.elasticity("plan", "config.yaml").stdout
    assert "Nothing to be done" in project.snakemake()


def test_a_study_without_rounds_cannot_be_decided(tmp_path: Path) -> None:
    project = Project.new(tmp_path)
    assert "add a section `decide`" in project.elasticity("decide", "config.yaml", ok=False).stderr
