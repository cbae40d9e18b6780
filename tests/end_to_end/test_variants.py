"""Every algorithm and variant goes through the same graph; each is a name in the study."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from elasticity.records import ANSWERS, CODING, COMPRESSION, DIVERGENCES, SCORES, read_table
from tests.conftest import Project, tiny_study

pytestmark = pytest.mark.slow

ALGORITHMS = ("dpo", "kto", "simpo", "ppo")
SECOND = ("second", *ALGORITHMS, "lora")
FIRST = ("first", "pushed")
TASK = Path("results/tiny/made-up")


def variants() -> dict[str, Any]:
    """One first side, then a second side of every kind; and one that a pushed first side and a warm model precede."""
    study = tiny_study() | {"seeds": [1]}
    del study["resistance"]
    tuning = study["first_side"]
    fast = tuning | {"learning_rate": 0.03}  # or so few updates would not change what is drawn
    algorithms = {name: fast | {"algorithm": {"kind": name}} for name in ALGORITHMS}
    algorithms["ppo"]["algorithm"] |= {"new_tokens": 4, "passes": 2}
    study["recipes"] = algorithms | {
        "lora": fast | {"lora": {"rank": 2, "alpha": 4.0}},
        "pushed": tuning | {"epochs": 2, "extrapolation": 0.5},
    }
    warm = {"kind": "tuned", "base": "nano-step3", "task": "made-up", "side": "positive", "examples": 8}
    study["models"]["warm"] = warm | {"tuning": tuning | {"epochs": 3, "schedule": "cosine"}}
    cells = {"task": "made-up", "bases": ["nano"], "first_sizes": [8], "second_sizes": [0, 8]}
    study["rebound"] = {name: cells | {"second_recipe": name} for name in SECOND}
    study["rebound"]["second"] |= {"divergence": True, "bases": ["nano", "warm"]}
    study["rebound"]["simpo"] |= {"compression": True}
    study["compression"] = {"window": 16, "stride": 8, "characters": 80, "control": "corpus", "coded": 2}
    study["tasks"]["corpus"] = {"source": study["tasks"]["made-up"]["source"], "pools": {"held_out": 4}}
    study["rebound"]["together"] = cells | {"compression": True, "joint": True}
    study["rebound"]["pushed"] = cells | {"first_recipe": "pushed"}
    return study


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.new(tmp_path_factory.mktemp("variants"))
    project.write_study(variants())
    names = ("divergence-second", "compression-simpo", "coding-simpo", "springs-together")
    figures = [f"results/tiny/figures/{name}.svg" for name in names]
    project.snakemake(str(TASK / "scores.parquet"), *figures)
    return project


@pytest.fixture(scope="module")
def answers(project: Project) -> pd.DataFrame:
    files = (project.folder / TASK / "rebound").rglob("answers.parquet")
    return pd.concat([read_table(path, ANSWERS).to_pandas() for path in files])


def drawn(answers: pd.DataFrame, second_size: int, first: str, second: str) -> list[str]:
    """The answers of a cell of ``nano``."""
    is_cell = (answers["base"] == "nano") & (answers["second_size"] == second_size)
    cell = answers[is_cell & (answers["first_recipe"] == first) & (answers["second_recipe"] == second)]
    assert len(cell) == 8
    return cell.sort_values("prompt_id")["answer"].tolist()


def test_all_cells_are_scored(project: Project) -> None:
    scores = read_table(project.folder / TASK / "scores.parquet", SCORES).to_pandas()
    cells = scores.dropna(subset=["second_size"]).groupby(["base", "first_recipe", "second_recipe", "second_size"])
    expected = {("nano", "first", name, size) for name in SECOND for size in (0, 8)}
    expected |= {(*where, "second", size) for where in (("nano", "pushed"), ("warm", "first")) for size in (0, 8)}
    assert set(cells.groups) == expected


@pytest.mark.parametrize("recipe", [name for name in SECOND if name != "second"])
def test_every_second_side_starts_where_the_first_one_ended(answers: pd.DataFrame, recipe: str) -> None:
    assert drawn(answers, 0, "first", recipe) == drawn(answers, 0, "first", "second")


def test_every_algorithm_ends_elsewhere(answers: pd.DataFrame) -> None:
    """But for PPO: if the score of so short answers is the same for all, it has nothing to learn."""
    others = [name for name in SECOND if name != "ppo"]
    ends = {tuple(drawn(answers, 8, "first", name)) for name in others}
    assert len(ends | {tuple(drawn(answers, 0, "first", "second"))}) == 1 + len(others)


def test_ppo_updates_several_times_on_each_batch(project: Project) -> None:
    (metrics,) = (project.folder / TASK / "rebound").rglob("ppo/0-8/metrics.json")
    assert json.loads(metrics.read_text())["updates"] == 2 * 8 // 4


def test_an_extrapolated_model_answers_otherwise(answers: pd.DataFrame) -> None:
    assert drawn(answers, 0, "pushed", "second") != drawn(answers, 0, "first", "second")


def test_divergence_is_measured_for_every_cell(project: Project) -> None:
    files = (project.folder / TASK / "rebound").rglob("divergences.parquet")
    rows = pd.concat([read_table(path, DIVERGENCES).to_pandas() for path in files])
    assert set(zip(rows["base"], rows["second_size"], strict=True)) == {
        (base, size) for base in ("nano", "warm") for size in (0, 8)
    }
    assert (rows["nats"] > 0).all()
    table = pd.read_csv(project.folder / "results/tiny/tables/divergence-second.csv")
    assert len(table) == 4


def test_every_held_out_text_is_measured_at_every_rung_and_under_the_base(project: Project) -> None:
    files = (project.folder / TASK / "rebound").rglob("compression.parquet")
    rows = pd.concat([read_table(path, COMPRESSION).to_pandas() for path in files])
    rows = rows[rows["second_recipe"].isna() | (rows["second_recipe"] == "simpo")]
    assert set(rows["second_size"].dropna()) == {0, 8}
    assert (rows.groupby(["second_size", "corpus"], dropna=False).size() == 4).all()
    bases = rows[rows["second_size"].isna()]
    assert len(bases) == 4 * 4
    assert (bases["to_base_nats"] == 0).all()
    assert (rows[rows["second_size"].notna()]["to_base_nats"] > 0).all()
    np.testing.assert_allclose(rows["cross_nats"], rows["entropy_nats"] + rows["to_base_nats"], rtol=1e-9)
    table = pd.read_csv(project.folder / "results/tiny/tables/compression-simpo.csv")
    assert len(table) == 2 * 4


def test_packed_texts_are_restored_and_as_long_as_promised(project: Project) -> None:
    (file,) = (project.folder / TASK / "rebound").rglob("coding.parquet")
    rows = read_table(file, CODING).to_pandas()
    assert len(rows) == 4 * 2
    assert ((rows["coded_bits"] - rows["model_bits"]).abs() <= 8 + rows["model_bits"] / 1000).all()
    table = pd.read_csv(project.folder / "results/tiny/tables/coding-simpo.csv")
    assert table["corpus"].tolist() == ["pretraining", "alignment", "perturbation", "control"]


def test_joint_training_sees_what_the_sequential_runs_saw(project: Project) -> None:
    springs = pd.read_csv(project.folder / "results/tiny/tables/seeds/springs-together.csv")
    amounts = springs.groupby(["training", "corpus"])[["k", "l", "trained_tokens", "gamma"]].first()
    joint, sequential = amounts.loc["joint"], amounts.loc["sequential"]
    pd.testing.assert_frame_equal(joint.drop(columns="gamma"), sequential.drop(columns="gamma"))
    assert list(joint.index) == ["alignment", "control", "perturbation", "pretraining"]
    assert joint.loc["pretraining", "trained_tokens"] == 6 * 4 * 31
    assert (joint["gamma"] != sequential["gamma"]).all()
    assert not list((project.folder / "results/tiny").rglob("joint/*/rungs"))
