"""EpiCoDe in the graph: each run chooses both factors by validation examples, and is contrasted with its own model."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors.torch import load_file

from elasticity.core.tables import read_table
from elasticity.evaluation.schemas import RESPONSES
from tests.conftest import Project, tiny_study

pytestmark = pytest.mark.slow

STAGES = Path("results/tiny/made-up/rebound/nano/positive")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A study with two seeds whose alignment stage is extrapolated in one experiment and not in the other."""
    project = Project.new(tmp_path_factory.mktemp("epicode"))
    study: dict[str, Any] = tiny_study() | {"claims": {}}
    del study["resistance"]
    two_epochs = study["alignment"] | {"epochs": 2, "learning_rate": 0.03}
    study["recipes"] = {"two-epochs": two_epochs, "pushed": two_epochs | {"extrapolation": [0.25, 2.0]}}
    study["sampling"]["contrast"] = {"strength": [0.5, 2.0]}
    study["tasks"]["made-up"]["splits"]["validation"] = 6
    cells = {"task": "made-up", "bases": ["nano"], "alignment_sizes": [16], "inverse_sizes": [0, 8]}
    study["rebound"] = {name: cells | {"alignment_recipe": name} for name in ("two-epochs", "pushed")}
    project.write_study(study)
    tables = [f"results/tiny/tables/{name}.csv" for name in ("choices-pushed", "rebound-pushed", "rebound-two-epochs")]
    project.snakemake(*tables)
    return project


def test_the_table_holds_the_choices_of_each_run(project: Project) -> None:
    table = pd.read_csv(project.folder / "results/tiny/tables/choices-pushed.csv")
    assert list(table["seed"]) == [1] * 5 + [2] * 5
    assert list(table["factor"][:5]) == ["extrapolation"] * 3 + ["strength"] * 2
    assert list(table["candidate"][:5]) == [0, 0.25, 2, 0.5, 2]
    for _, tried in table[table["candidate"] > 0].groupby(["seed", "factor"]):
        (taken,) = tried.index[tried["chosen"]]
        assert taken == tried["nats_per_token"].idxmin()


def test_the_weak_model_is_that_of_the_run_without_extrapolation(project: Project) -> None:
    weak = []
    for seed in (1, 2):
        pushed, plain = (
            project.folder / STAGES / recipe / f"seed{seed}/P/16/checkpoints/16" for recipe in ("pushed", "two-epochs")
        )
        assert json.loads((pushed / "choice.json").read_text())["strength"] in (0.5, 2.0)
        weak.append((pushed / "weak/model.safetensors").read_bytes())
        mine, theirs = load_file(pushed / "weak/model.safetensors"), load_file(plain / "model.safetensors")
        assert all((mine[name] == theirs[name]).all() for name in theirs)
        assert not (plain / "weak").exists()
    assert weak[0] != weak[1]


def test_responses_are_sampled_by_contrast_after_extrapolation_only(project: Project) -> None:
    found = {
        recipe: read_table(project.folder / STAGES / recipe / "seed1/P16/inverse/0-8/responses.parquet", RESPONSES)
        for recipe in ("pushed", "two-epochs")
    }
    texts = {recipe: table.column("response").to_pylist() for recipe, table in found.items()}
    assert texts["pushed"] != texts["two-epochs"]
